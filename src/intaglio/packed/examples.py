"""Small random valid programs of both families, for tests and benchmarks: every operation of the schema occurs.

The numbers mean nothing; bounds are chosen so that codes spread over their whole range.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from intaglio.packed.program import Op, Program, Site
from intaglio.packed.schema import BLOCK_ACTIVATIONS, BLOCK_WEIGHTS
from intaglio.spec import Bounds, Coverage, Grid, Piece, float32

Kind = Literal["swin", "cnn"]


def random_program(
    rng: np.random.Generator,
    *,
    kind: Kind = "swin",
    bits: int = 4,
    act_bits: int | None = None,
    dim: int = 12,
    heads: int = 2,
    window: int = 4,
    blocks: int = 2,
    scale: int = 2,
    coverage: Coverage = Coverage.PAPER,
    per_channel: bool = False,
    pieces: tuple[Piece, ...] = (),
) -> Program:
    """A random valid program: ``swin`` has window blocks, every other one shifted; ``cnn`` has all other operations.

    `bits` is the width of the weights, `act_bits` of the activations (`bits` if None). With full coverage the
    convolutions are quantized too. `per_channel` gives each output of a weight its own grid. `dim` is the number of
    channels; `heads` must divide it. `blocks` counts window blocks in a ``swin`` and residual blocks in a ``cnn``,
    whose pictures must have 3 pixels a side or more. With `pieces` the activations use only those of their 8-bit codes.

    >>> [op.kind for op in random_program(np.random.default_rng(0), blocks=1).ops]
    ['picture', 'conv2d', 'window_block', 'layer_norm', 'conv2d', 'add', 'conv2d', 'pixel_shuffle', 'output']
    """
    maker = _Maker(rng, bits, act_bits or bits, coverage, per_channel, pieces)
    ops = _swin(maker, dim, heads, window, blocks, scale) if kind == "swin" else _cnn(maker, dim, blocks, scale)
    return Program(scale=scale, architecture=f"random-{kind}", coverage=coverage, ops=ops)


def _swin(maker: _Maker, dim: int, heads: int, window: int, blocks: int, scale: int) -> tuple[Op, ...]:
    maker.picture(multiple=window)
    shallow = x = maker.conv("conv_first", "picture", 3, dim)
    for index in range(blocks):
        x = maker.block(f"layers.0.blocks.{index}", x, dim, heads, window, shift=window // 2 * (index % 2))
    x = maker.emit("layer_norm", "norm", (x,), {"dim": dim, "eps": 1e-5}, {"norm": maker.norm(1, dim)})
    x = maker.conv("conv_after_body", x, dim, dim)
    x = maker.emit("add", "residual", (x, shallow), {"scale": 1.0})
    x = maker.conv("upsample", x, dim, 3 * scale**2)
    return maker.finish(maker.emit("pixel_shuffle", "shuffle", (x,), {"factor": scale}))


def _cnn(maker: _Maker, dim: int, blocks: int, scale: int) -> tuple[Op, ...]:
    maker.picture(multiple=1)
    shallow = x = maker.conv("head", "picture", 3, dim, kernel=5, act="prelu")
    for index in range(blocks):
        skip = x
        x = maker.conv(f"body.{index}.conv1", x, dim, dim, act="leaky_relu")
        x = maker.conv(f"body.{index}.conv2", x, dim, dim)
        x = maker.emit("add", f"body.{index}.add", (x, skip), {"scale": 0.5})
    squeezed = maker.emit("global_mean", "attention.mean", (x,))
    squeezed = maker.conv("attention.conv", squeezed, dim, dim, kernel=1, act="sigmoid")
    x = maker.emit("mul", "attention.mul", (x, squeezed))
    small = maker.conv("spatial.conv", x, dim, dim, stride=2, act="relu")
    small = maker.emit("max_pool", "spatial.pool", (small,), {"kernel": 2, "stride": 1})
    gate = maker.emit("bilinear", "spatial.resize", (small, x))
    gate = maker.emit(
        "activation", "spatial.gate", (gate,), {"act": "prelu", "slope": 0.0}, {"prelu": maker.floats(dim)}
    )
    x = maker.emit("mul", "spatial.mul", (x, gate))
    x = maker.emit("concat", "concat", (x, shallow))
    x = maker.conv("fuse", x, 2 * dim, dim, kernel=1, act="gelu")
    x = maker.emit("nearest", "nearest", (x,), {"factor": scale})
    x = maker.conv("tail", x, dim, 3, act="silu")
    base = maker.emit("bilinear_scale", "base", ("picture",), {"factor": scale})
    return maker.finish(maker.emit("add", "sum", (x, base), {"scale": 1.0}))


class _Maker:
    """Emits operations with random parameters, each under its own name."""

    def __init__(
        self,
        rng: np.random.Generator,
        bits: int,
        act_bits: int,
        coverage: Coverage,
        per_channel: bool,
        pieces: tuple[Piece, ...],
    ) -> None:
        self._rng = rng
        self._bits, self._act_bits = bits, act_bits
        self._coverage, self._per_channel, self._pieces = coverage, per_channel, pieces
        self._ops: list[Op] = []

    def emit(
        self,
        kind: str,
        name: str,
        inputs: tuple[str, ...],
        attrs: dict[str, int | float | str | tuple[float, ...]] | None = None,
        tensors: dict[str, np.ndarray] | None = None,
        sites: dict[str, Site] | None = None,
    ) -> str:
        """Append an operation and return the name of its value, which is its own."""
        self._ops.append(Op(kind, name, inputs, name, attrs or {}, tensors or {}, sites or {}))
        return name

    def picture(self, multiple: int) -> None:
        self.emit("picture", "picture", (), {"range": 1.0, "mean": (0.45, 0.44, 0.4), "multiple": multiple})

    def finish(self, x: str) -> tuple[Op, ...]:
        self.emit("output", "output", (x,), {"range": 1.0, "mean": (0.45, 0.44, 0.4)})
        return tuple(self._ops)

    def floats(self, *shape: int, spread: float = 0.2) -> np.ndarray:
        """Normal numbers that half precision holds exactly, so that a file gives back the same program."""
        return (spread * self._rng.standard_normal(shape)).astype(np.float16).astype(np.float32)

    def norm(self, layers: int, dim: int) -> np.ndarray:
        """Weights near one and biases near zero, alternating rows."""
        rows = self.floats(2 * layers, dim, spread=0.1) + np.tile([[1.0], [0.0]], (layers, 1))
        return np.asarray(rows.astype(np.float16), dtype=np.float32)

    def codes(self, *shape: int) -> np.ndarray:
        return self._rng.integers(0, 1 << self._bits, shape, dtype=np.uint8)

    def weight_site(self, name: str, outputs: int, terms: int) -> Site:
        """Grids about zero, of a width that keeps the size of what passes through."""
        spread = 2.0 / np.sqrt(terms)
        ends = self._rng.uniform(0.5, 1.0, (outputs if self._per_channel else 1, 2)) * spread
        return Site(name, tuple(Grid.from_bounds(Bounds(-float(low), float(high)), self._bits) for low, high in ends))

    def act_site(self, name: str, lower: float, upper: float) -> Site:
        low, high = self._rng.uniform(0.8, 1.0, 2)
        bounds = Bounds(lower * float(low), upper * float(high))
        if self._pieces:
            top = sum(stride * steps for stride, steps in self._pieces)
            step = float32((bounds.upper - bounds.lower) / top)
            return Site(name, (Grid(float32(bounds.lower), step, 8, self._pieces),))
        return Site(name, (Grid.from_bounds(bounds, self._act_bits),))

    def conv(
        self, name: str, x: str, inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1, act: str = "none"
    ) -> str:
        attrs: dict[str, int | float | str | tuple[float, ...]] = {
            "in": inputs, "out": outputs, "kernel": kernel, "stride": stride, "pad": kernel // 2,
            "act": act, "slope": 0.125,
        }  # fmt: skip
        shape, terms = (outputs, inputs, kernel, kernel), inputs * kernel**2
        tensors, sites = {"bias": self.floats(outputs)}, {}
        if act == "prelu":
            tensors["prelu"] = self.floats(outputs)
        if self._coverage is Coverage.FULL:
            tensors["conv.codes"] = self.codes(*shape)
            sites["conv.input"] = self.act_site(f"{name}:input", -1.5, 2.0)
            sites["conv.weight"] = self.weight_site(f"{name}:weight", outputs, terms)
        else:
            tensors["weight"] = self.floats(*shape, spread=float(terms**-0.5))
        return self.emit("conv2d", name, (x,), attrs, tensors, sites)

    def block(self, name: str, x: str, dim: int, heads: int, window: int, shift: int) -> str:
        hidden = 2 * dim
        outputs = {part: hidden if part == "fc1" else dim for part in BLOCK_WEIGHTS}
        inputs = {part: hidden if part == "fc2" else dim for part in BLOCK_WEIGHTS}
        tensors = {f"{part}.codes": self.codes(outputs[part], inputs[part]) for part in BLOCK_WEIGHTS}
        tensors |= {
            "norm": self.norm(2, dim),
            "bias": self.floats(sum(outputs.values()), spread=0.1),
            "table": self.floats((2 * window - 1) ** 2, heads),
        }
        ranges = {"context.a": (0.0, 4.0 / window**2), "fc2.input": (-0.2, 2.0)}
        sites = {role: self.act_site(f"{name}.{role}", *ranges.get(role, (-2.0, 2.0))) for role in BLOCK_ACTIVATIONS}
        for part in BLOCK_WEIGHTS:
            sites[f"{part}.weight"] = self.weight_site(f"{name}.{part}:weight", outputs[part], inputs[part])
        attrs: dict[str, int | float | str | tuple[float, ...]] = {
            "dim": dim, "heads": heads, "window": window, "shift": shift, "hidden": hidden, "eps": 1e-5,
        }  # fmt: skip
        return self.emit("window_block", name, (x,), attrs, tensors, sites)
