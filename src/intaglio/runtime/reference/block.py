"""The transformer block of section 5 of ``docs/numerics.md``: windows, shift, mask, attention and MLP, in integers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from intaglio._shapes import Float32, Int, UInt8
from intaglio.packed.program import Op
from intaglio.packed.schema import BLOCK_WEIGHTS
from intaglio.runtime.reference.activations import gelu
from intaglio.runtime.reference.affine import integer_linear, integer_matmul, quantize
from intaglio.runtime.reference.maps import layer_norm
from intaglio.runtime.reference.probe import Probe

Map = Float32[np.ndarray, "c h w"]
Tokens = Float32[np.ndarray, "windows tokens dim"]

MASKED = np.float32(-100.0)
_CHUNK_SCORES = 1 << 21  # attention scores held at a time: 8 MiB in single precision, whatever the picture


def cut_windows(x: Map, window: int) -> Tokens:
    """A map as windows of ``window**2`` tokens, both in raster order.

    >>> cut_windows(np.arange(4, dtype=np.float32).reshape(1, 2, 2), window=1).ravel().tolist()
    [0.0, 1.0, 2.0, 3.0]
    """
    dim, height, width = x.shape
    grid = x.reshape(dim, height // window, window, width // window, window)
    return grid.transpose(1, 3, 2, 4, 0).reshape(-1, window * window, dim)


def join_windows(tokens: Tokens, window: int, height: int, width: int) -> Map:
    """The map that was cut into these windows: the inverse of `cut_windows`."""
    grid = tokens.reshape(height // window, width // window, window, window, -1)
    return grid.transpose(4, 0, 2, 1, 3).reshape(-1, height, width)


def relative_index(window: int) -> Int[np.ndarray, "queries keys"]:
    """Row of the position table for each query and key: ``(yi - yj + w - 1)(2w - 1) + (xi - xj + w - 1)``.

    >>> relative_index(2)[0].tolist()  # the query at the upper left
    [4, 3, 1, 0]
    """
    y, x = np.divmod(np.arange(window * window), window)
    dy, dx = (axis[:, None] - axis[None, :] + window - 1 for axis in (y, x))
    rows: Int[np.ndarray, "queries keys"] = dy * (2 * window - 1) + dx
    return rows


def region_map(height: int, width: int, window: int, shift: int) -> Float32[np.ndarray, "1 h w"]:
    """The region, 0 to 8, of each pixel of the rolled map; tokens see each other only within one region.

    >>> region_map(2, 2, window=2, shift=1).tolist()
    [[[4.0, 5.0], [7.0, 8.0]]]
    """
    rows, columns = (
        np.searchsorted((size - window, size - shift), np.arange(size), side="right") for size in (height, width)
    )
    return (3 * rows[:, None] + columns)[None].astype(np.float32)


def softmax(scores: Float32[np.ndarray, "*batch keys"]) -> Float32[np.ndarray, "*batch keys"]:
    """Softmax over the last axis, the largest score subtracted first."""
    raised = np.exp(scores - scores.max(axis=-1, keepdims=True))
    share: Float32[np.ndarray, "*batch keys"] = raised / raised.sum(axis=-1, keepdims=True)
    return share


@dataclass(frozen=True)
class Block:
    """A ``window_block`` operation with its attributes and parameters at hand."""

    op: Op
    probe: Probe

    def _int(self, name: str) -> int:
        return self.op.integer(name)

    def codes(self, x: Float32[np.ndarray, "*shape"], role: str) -> UInt8[np.ndarray, "*shape"]:
        """Codes of `x` on the grid of an activation site, shown to the probe."""
        site = self.op.sites[role]
        codes = quantize(x, site.grid)
        self.probe.codes(site.name, codes)
        return codes

    def linear(self, x: Tokens, part: str) -> Float32[np.ndarray, "windows tokens outputs"]:
        """The linear layer `part` of the codes of `x`: equation (5)."""
        lengths = [self._int("hidden") if name == "fc1" else self._int("dim") for name in BLOCK_WEIGHTS]
        start = sum(lengths[: BLOCK_WEIGHTS.index(part)])
        codes_w = self.op.tensors[f"{part}.codes"]
        bias = self.op.tensors["bias"][start : start + codes_w.shape[0]].astype(np.float32)
        grids = self.op.sites[f"{part}.input"].grid, self.op.sites[f"{part}.weight"].grids
        value, integers = integer_linear(self.codes(x, f"{part}.input"), codes_w, *grids, bias)
        self.probe.integers(f"{self.op.name}/{part}", integers)
        return value

    def matmul(
        self, a: UInt8[np.ndarray, "*batch m k"], b: UInt8[np.ndarray, "*batch k n"], part: str
    ) -> Float32[np.ndarray, "*batch m n"]:
        """The attention product `part`, scores or context, of the codes of its operands: equation (4)."""
        value, integers = integer_matmul(a, b, self.op.sites[f"{part}.a"].grid, self.op.sites[f"{part}.b"].grid)
        self.probe.integers(f"{self.op.name}/{part}", integers)
        return value

    def norm(self, tokens: Tokens, row: int) -> Tokens:
        """The LayerNorm whose weight and bias are rows `row` and `row + 1` of ``norm``."""
        weight, bias = self.op.tensors["norm"][row : row + 2].astype(np.float32)
        return layer_norm(tokens, weight, bias, self.op.real("eps"))

    def heads(self, tokens: Tokens) -> Float32[np.ndarray, "windows heads tokens channels"]:
        """Channels split into heads, heads before tokens."""
        windows, count, _ = tokens.shape
        return tokens.reshape(windows, count, self._int("heads"), -1).swapaxes(1, 2)

    def attention(self, tokens: Tokens, regions: Float32[np.ndarray, "windows tokens"]) -> Tokens:
        """Windowed multi-head self-attention with its projection: steps 1 to 5, without the residual."""
        normed = self.norm(tokens, 0)
        q, k, v = (self.linear(normed, part) for part in "qkv")
        root = np.float32((self._int("dim") // self._int("heads")) ** -0.5)
        queries, keys = self.codes(self.heads(q * root), "scores.a"), self.codes(self.heads(k), "scores.b")
        scores = self.matmul(queries, keys.swapaxes(-1, -2), "scores")
        table = self.op.tensors["table"].astype(np.float32)
        scores += table[relative_index(self._int("window"))].transpose(2, 0, 1)
        scores += np.where(regions[:, :, None] != regions[:, None, :], MASKED, np.float32(0.0))[:, None]
        shares, values = self.codes(softmax(scores), "context.a"), self.codes(self.heads(v), "context.b")
        mixed = self.matmul(shares, values, "context")
        return self.linear(mixed.swapaxes(1, 2).reshape(tokens.shape), "proj")

    def mlp(self, tokens: Tokens) -> Tokens:
        """The two-layer perceptron: step 6, without the residual."""
        return self.linear(gelu(self.linear(self.norm(tokens, 2), "fc1")), "fc2")

    def __call__(self, x: Map) -> Map:
        """The block on a map whose sides are multiples of the window."""
        window, shift = self._int("window"), self._int("shift")
        height, width = x.shape[1:]
        tokens = cut_windows(np.roll(x, (-shift, -shift), axis=(1, 2)), window)
        regions = cut_windows(region_map(height, width, window, shift), window)[:, :, 0]
        if shift == 0:
            regions = np.zeros_like(regions)
        # windows are independent; a probe sees them all at once
        chunk = len(tokens) if self.probe.active else max(1, _CHUNK_SCORES // (self._int("heads") * window**4))
        for start in range(0, len(tokens), chunk):
            part = slice(start, start + chunk)
            tokens[part] += self.attention(tokens[part], regions[part])
            tokens[part] += self.mlp(tokens[part])
        return np.roll(join_windows(tokens, window, height, width), (shift, shift), axis=(1, 2))
