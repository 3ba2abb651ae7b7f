"""The native transformer block against the reference, on every instruction set that this machine runs.

Integers are held to ``==``: the sums of a traced run against numpy's sums of the codes of the same run. Codes are held
stage by stage: each against the exact value that follows from the codes before it, within half a step and rounding.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intaglio.packed.examples import random_program
from intaglio.packed.program import Op, Program, Site
from intaglio.runtime import native
from intaglio.runtime.reference.windows import regions, relative_index
from intaglio.spec import Grid, Piece

if not hasattr(native.core().Builder, "trace_block"):
    if os.environ.get("CI"):
        raise RuntimeError("the core was built without probes: INTAGLIO_PROBE=ON pip install -e '.[dev]'")
    pytest.skip("the core was built without probes; make test builds them (INTAGLIO_PROBE=ON)", allow_module_level=True)

EPSILON = 2.0**-23
ERF = np.vectorize(math.erf, otypes=[np.float64])
RUNNABLE = [one.name for one in native.machine().sets if one.runnable]
SITES = (
    "q.input", "k.input", "v.input", "scores.a", "scores.b", "context.b", "context.a",
    "proj.input", "fc1.input", "fc2.input",
)  # fmt: skip
BLOCK_WEIGHTS = ("q", "k", "v", "proj", "fc1", "fc2")
SUMS = ("q", "k", "v", "scores", "context", "proj", "fc1", "fc2")

# (dim, heads, window, bits of weights, bits of activations, rows, columns of windows): each breaks another tiling.
SHAPES = {
    "as published": (60, 6, 8, 4, 4, 2, 3),
    "window of 49 tokens, heads of 5": (15, 3, 7, 3, 3, 2, 2),
    "one channel a head": (6, 6, 4, 2, 2, 1, 2),
    "8 bits on both sides": (24, 2, 8, 8, 8, 1, 2),
    "7 bits beside 8": (20, 2, 4, 7, 8, 2, 2),
    "6 bits beside 8": (14, 2, 5, 8, 6, 2, 1),
    "heads of 13": (26, 2, 4, 4, 4, 1, 1),
    "heads of 30": (60, 2, 8, 4, 4, 1, 1),
    "one token a window": (8, 2, 1, 5, 5, 3, 3),
    "more tokens than a tile": (8, 1, 9, 4, 4, 1, 2),
}


PIECES = [
    (Piece(20, 4), Piece(3, 7), Piece(30, 4)),
    (Piece(1, 8), Piece(16, 7)),
    (Piece(7, 1), Piece(2, 3), Piece(1, 2), Piece(240, 1)),
]  # tails about a dense middle; twin uniform; as many as there may be, up to the last code


@dataclass(frozen=True)
class Traced:
    """What one run of a block shows: the map, codes by site, sums by product; linears (windows, tokens, width)."""

    result: np.ndarray
    codes: dict[str, np.ndarray]
    sums: dict[str, np.ndarray]


def blocks(seed: int, shape: tuple[int, ...], lower: float | None = None, pieces: tuple[Piece, ...] = ()) -> list[Op]:
    found = [gathered(program(seed, shape, pieces), index) for index in range(2)]
    return found if lower is None else [_attention_from(op, lower) for op in found]


def program(seed: int, shape: tuple[int, ...], pieces: tuple[Piece, ...] = ()) -> Program:
    dim, heads, window, bits, act_bits, _, _ = shape
    rng, per_channel = np.random.default_rng(seed), bool(seed % 2)
    return random_program(
        rng, bits=bits, act_bits=act_bits, dim=dim, heads=heads, window=window, per_channel=per_channel, pieces=pieces
    )


def gathered(program: Program, index: int) -> Op:
    """The block of that number as one operation, as fusion should make it, put together by names."""
    ops = {op.name.removeprefix(f"layers.0.blocks.{index}."): op for op in program.ops}
    sites: dict[str, Site] = {}
    tensors: dict[str, np.ndarray] = {}
    for part in BLOCK_WEIGHTS:
        sites |= {f"{part}.{role}": ops[part].sites[role] for role in ("input", "weight")}
        tensors[f"{part}.codes"] = ops[part].tensors["weight.codes"]
    for part in ("scores", "context"):
        sites |= {f"{part}.{role}": ops[part].sites[role] for role in ("a", "b")}
    norms = [ops[name].tensors[role] for name in ("norm1", "norm2") for role in ("weight", "bias")]
    tensors |= {"norm": np.stack(norms), "bias": np.concatenate([ops[part].tensors["bias"] for part in BLOCK_WEIGHTS])}
    tensors["table"] = ops["table"].tensors["table"]
    heads, window = tensors["table"].shape[1], ops["table"].integers("window")[0]
    dim = len(norms[0])
    attrs = {
        "dim": dim, "heads": heads, "window": window,
        "shift": -ops["roll"].integers("shifts")[0] if "roll" in ops else 0,
        "hidden": len(tensors["fc1.codes"]), "eps": 1e-5, "scale": ops["scale"].real("scale"),
    }  # fmt: skip
    return Op("window_block", f"layers.0.blocks.{index}", ("x",), "y", attrs, tensors, sites)


def cut_windows(x: np.ndarray, window: int) -> np.ndarray:
    """A map (c, h, w) as (windows, tokens, c)."""
    channels, height, width = x.shape
    cut = x.reshape(channels, height // window, window, width // window, window)
    return cut.transpose(1, 3, 2, 4, 0).reshape(-1, window * window, channels)


def join_windows(tokens: np.ndarray, window: int, height: int, width: int) -> np.ndarray:
    """The map that `cut_windows` cut."""
    joined = tokens.reshape(height // window, width // window, window, window, -1)
    return joined.transpose(4, 0, 2, 1, 3).reshape(-1, height, width)


def region_map(height: int, width: int, window: int, shift: int) -> np.ndarray:
    rows, columns = regions(height, window, shift), regions(width, window, shift)
    return (3 * rows[:, None] + columns)[None].astype(np.float64)


def _attention_from(op: Op, lower: float) -> Op:
    """The same block with an attention grid that does not start at zero: all four cross terms are needed."""
    site = op.sites["context.a"]
    return replace(op, sites={**op.sites, "context.a": replace(site, grids=(replace(site.grid, lower=lower),))})


def random_map(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    dim, _, window, _, _, rows, columns = shape
    return np.random.default_rng(seed).standard_normal((dim, rows * window, columns * window)).astype(np.float32)


def trace(op: Op, isa: str, x: np.ndarray) -> Traced:
    builder = native.core().Builder()
    native.add_operation(builder, op)
    result, codes, sums = builder.trace_block(0, isa, x)
    return Traced(result, dict(zip(SITES, codes, strict=True)), dict(zip(SUMS, sums, strict=True)))


def signed_shift(bits: int) -> int:
    return 1 << (bits - 1) if bits >= 7 else 0


def split(codes: np.ndarray, heads: int) -> np.ndarray:
    """(windows, tokens, dim) to (windows, heads, tokens, channels), wide enough for any sum."""
    windows, tokens, dim = codes.shape
    return codes.reshape(windows, tokens, heads, dim // heads).swapaxes(1, 2).astype(np.int64)


def expected_sums(op: Op, codes: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Every integer product, from the codes of the run itself."""
    sums = {}
    for part in ("q", "k", "v", "proj", "fc1", "fc2"):
        weight = op.tensors[f"{part}.codes"].astype(np.int64) - signed_shift(op.sites[f"{part}.weight"].bits)
        sums[part] = codes[f"{part}.input"].astype(np.int64) @ weight.T
    heads = op.integer("heads")
    q, k, v = (split(codes[role], heads) for role in ("scores.a", "scores.b", "context.b"))
    k, v = k - (128 if op.sites["scores.b"].bits == 8 else 0), v - (128 if op.sites["context.b"].bits == 8 else 0)
    windows, tokens, dim = codes["q.input"].shape
    sums["scores"] = (q @ k.swapaxes(-1, -2)).reshape(windows, tokens, -1)
    attention = codes["context.a"].reshape(windows, heads, tokens, tokens).astype(np.int64)
    sums["context"] = (attention @ v).swapaxes(1, 2).reshape(windows, tokens, dim)
    return sums


class Stages:
    """Exact values, in float64, of every site of a block, each from the codes that the engine found before it.

    Tolerances are rounding noise only: the number of float operations on the way (16 covers the longest epilogue, fewer
    than ``dim`` the sums of LayerNorm) times epsilon times the largest term, plus the stated errors of exp2 and GELU.
    """

    def __init__(self, op: Op, x: np.ndarray, codes: dict[str, np.ndarray]) -> None:
        self.op, self.codes_found = op, codes
        self.dim, self.heads, self.window = (op.integer(name) for name in ("dim", "heads", "window"))
        self.shift = op.integer("shift")
        rolled = np.roll(x, (-self.shift, -self.shift), axis=(1, 2))
        self.height, self.width = x.shape[1:]
        self.tokens = cut_windows(rolled, self.window).astype(np.float64)
        self.middle = self.tokens + self.linear("proj")[0]

    def codes(self, role: str) -> tuple[np.ndarray, float]:
        """What the codes of `role` would be without rounding or clamping, and how far off float32 may be, in codes."""
        value, noise = self.value(role)
        grid = self.op.sites[role].grid
        return (value - grid.lower) / grid.step, (
            noise + 4 * EPSILON * (np.abs(value).max() + abs(grid.lower))
        ) / grid.step

    def value(self, role: str) -> tuple[np.ndarray, float]:
        if role in ("q.input", "k.input", "v.input"):
            return self.norm(self.tokens, 0)
        if role == "scores.a":
            value, noise = self.linear("q")
            return value * (self.dim // self.heads) ** -0.5, noise
        if role in ("scores.b", "context.b"):
            return self.linear("k" if role == "scores.b" else "v")
        if role == "context.a":
            return self.attention()
        if role == "proj.input":
            return self.context()
        if role == "fc1.input":
            return self.norm(self.middle, 2)
        value, noise = self.linear("fc1")
        return value * (0.5 + 0.5 * ERF(value / np.sqrt(2.0))), 1.2 * noise + 8e-6

    def result(self) -> tuple[np.ndarray, float]:
        value, noise = self.linear("fc2")
        tokens = self.middle + value
        joined = join_windows(tokens.astype(np.float32), self.window, self.height, self.width)
        size = np.abs(tokens).max() + np.abs(self.middle).max()
        return np.roll(joined, (self.shift, self.shift), axis=(1, 2)), noise + self.linear("proj")[
            1
        ] + 4 * EPSILON * size

    def real(self, role: str) -> np.ndarray:
        grid = self.op.sites[role].grid
        return grid.lower + grid.step * self.codes_found[role].astype(np.float64)

    def linear(self, part: str) -> tuple[np.ndarray, float]:
        sites = self.op.sites[f"{part}.weight"]
        lower, step = (np.array([getattr(grid, name) for grid in sites.grids])[:, None] for name in ("lower", "step"))
        weight = lower + step * self.op.tensors[f"{part}.codes"].astype(np.float64)
        lengths = [self.op.integer("hidden") if name == "fc1" else self.dim for name in BLOCK_WEIGHTS]
        start = sum(lengths[: BLOCK_WEIGHTS.index(part)])
        bias = self.op.tensors["bias"][start : start + len(weight)]
        x, grid = self.real(f"{part}.input"), self.op.sites[f"{part}.input"].grid
        terms = weight.shape[1] * max(abs(grid.lower), grid.upper) * (np.abs(lower) + step * sites.grids[0].top).max()
        return x @ weight.T + bias, 16 * EPSILON * (4 * terms + np.abs(bias).max())

    def norm(self, tokens: np.ndarray, row: int) -> tuple[np.ndarray, float]:
        weight, bias = self.op.tensors["norm"][row : row + 2].astype(np.float64)
        centred = tokens - tokens.mean(-1, keepdims=True)
        spread = np.sqrt((centred**2).mean(-1, keepdims=True) + self.op.real("eps"))
        noise = (self.dim + 16) * EPSILON * (np.abs(tokens) / spread).max() * np.abs(weight).max()
        if row == 2:  # the residual before it has noise of its own
            noise += (self.linear("proj")[1] / spread).max() * np.abs(weight).max()
        return centred / spread * weight + bias, noise

    def split(self, tokens: np.ndarray) -> np.ndarray:
        windows, count, _ = tokens.shape
        return tokens.reshape(windows, count, self.heads, -1).swapaxes(1, 2)

    def attention(self) -> tuple[np.ndarray, float]:
        q, k = self.split(self.real("scores.a")), self.split(self.real("scores.b"))
        scores = q @ k.swapaxes(-1, -2) + self.op.tensors["table"][relative_index(self.window, self.window)].transpose(
            2, 0, 1
        )
        if self.shift:
            regions = cut_windows(region_map(self.height, self.width, self.window, self.shift), self.window)[:, :, 0]
            scores -= 100.0 * (regions[:, :, None] != regions[:, None, :])[:, None]
        raised = np.exp(scores - scores.max(-1, keepdims=True))
        terms = 4 * (self.dim // self.heads) * self.largest("scores.a") * self.largest("scores.b")
        noise = (
            16 * EPSILON * (terms + np.abs(self.op.tensors["table"]).max() + 4) + len(k[0, 0]) * EPSILON + 2 * 2.7e-6
        )
        value = raised / raised.sum(-1, keepdims=True)
        return value, noise * value.max()

    def largest(self, role: str) -> float:
        grid = self.op.sites[role].grid
        return max(abs(grid.lower), abs(grid.upper))

    def context(self) -> tuple[np.ndarray, float]:
        windows, count, _ = self.tokens.shape
        attention = self.real("context.a").reshape(windows, self.heads, count, count)
        value = (attention @ self.split(self.real("context.b"))).swapaxes(1, 2).reshape(self.tokens.shape)
        return value, 16 * EPSILON * 4 * count * self.largest("context.a") * self.largest("context.b")


@pytest.mark.parametrize("isa", RUNNABLE)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
@pytest.mark.parametrize("lower", [None, -0.02], ids=["grid from 0", "grid from below 0"])
def test_every_stage(isa: str, shape: tuple[int, ...], lower: float | None) -> None:
    for op in blocks(sum(shape), shape, lower):
        hold_every_stage(op, isa, random_map(3, shape))


@pytest.mark.parametrize("isa", RUNNABLE)
@pytest.mark.parametrize("name", ["as published", "window of 49 tokens, heads of 5", "one token a window"])
@pytest.mark.parametrize("pieces", PIECES)
def test_every_stage_on_pieces(isa: str, name: str, pieces: tuple[Piece, ...]) -> None:
    for op in blocks(5, SHAPES[name], pieces=pieces):
        hold_every_stage(op, isa, random_map(3, SHAPES[name]))


@pytest.mark.parametrize("isa", RUNNABLE)
@pytest.mark.parametrize("role", SITES)
def test_every_stage_where_one_site_has_pieces(isa: str, role: str) -> None:
    shape = SHAPES["one channel a head"]
    for plain, pieced in zip(blocks(5, shape), blocks(5, shape, pieces=PIECES[1]), strict=True):
        mixed = replace(plain, sites={**plain.sites, role: pieced.sites[role]})
        hold_every_stage(mixed, isa, random_map(3, shape))


@pytest.mark.parametrize("isa", RUNNABLE)
@pytest.mark.parametrize("offset", [150.0, -150.0], ids=["exponentials overflow", "exponentials vanish"])
def test_scores_beyond_single_precision(isa: str, offset: float) -> None:
    """What all scores have in common cancels in the softmax, not in exponentials of which nothing is subtracted."""
    shape = SHAPES["as published"]
    for op in blocks(4, shape):
        table = op.tensors["table"] + np.float32(offset)
        hold_every_stage(replace(op, tensors={**op.tensors, "table": table}), isa, random_map(3, shape))


def hold_every_stage(op: Op, isa: str, x: np.ndarray) -> None:
    got = trace(op, isa, x)
    for part, sums in expected_sums(op, got.codes).items():
        np.testing.assert_array_equal(got.sums[part], sums, err_msg=part)
    stages = Stages(op, x, got.codes)
    for role in SITES:
        exact, tolerance = stages.codes(role)
        found, grid = got.codes[role].reshape(exact.shape), op.sites[role].grid
        assert (nearest(exact - tolerance, grid) <= found).all(), role
        assert (found <= nearest(exact + tolerance, grid)).all(), role
    exact, tolerance = stages.result()
    assert np.abs(got.result - exact).max() <= tolerance


def nearest(position: np.ndarray, grid: Grid) -> np.ndarray:
    """The code that a grid uses nearest to each position, equations (2) and (2b) in double precision; monotone."""
    codes, first = np.zeros_like(position), 0
    for stride, steps in grid.pieces or (Piece(1, grid.top),):
        codes += stride * np.clip(np.rint((position - first) / stride), 0, steps)
        first += stride * steps
    return codes


@settings(max_examples=15, deadline=None)
@given(
    heads=st.integers(1, 4),
    channels=st.integers(1, 9),
    window=st.integers(1, 6),
    bits=st.integers(2, 8),
    act_bits=st.integers(2, 8),
    seed=st.integers(0, 2**16),
)
def test_any_shape_is_exact(heads: int, channels: int, window: int, bits: int, act_bits: int, seed: int) -> None:
    shape = (heads * channels, heads, window, bits, act_bits, 2, 1)
    for op in blocks(seed, shape):
        for isa in RUNNABLE:
            got = trace(op, isa, random_map(seed, shape))
            for part, sums in expected_sums(op, got.codes).items():
                np.testing.assert_array_equal(got.sums[part], sums, err_msg=f"{isa} {part}")


@pytest.mark.parametrize("isa", RUNNABLE)
@pytest.mark.parametrize("pieces", [(), *PIECES], ids=["even", *map(str, range(len(PIECES)))])
def test_a_recorded_block_is_the_block_that_runs(isa: str, pieces: tuple[Piece, ...]) -> None:
    """Probes instantiate the block again; what they see is what everybody else gets, bit for bit."""
    for name in ("as published", "8 bits on both sides", "one channel a head", "window of 49 tokens, heads of 5"):
        for op in blocks(2, SHAPES[name], pieces=pieces):
            builder = native.core().Builder()
            native.add_operation(builder, op)
            x = random_map(2, SHAPES[name])
            plain, _ = native.core().run_operation(builder, isa, 1, [x[None]], *x.shape[1:])
            np.testing.assert_array_equal(trace(op, isa, x).result, plain[0])


@pytest.mark.parametrize("isa", RUNNABLE)
def test_runs_are_repeatable(isa: str) -> None:
    shape = SHAPES["window of 49 tokens, heads of 5"]
    for op in blocks(1, shape):
        first, second = (trace(op, isa, random_map(1, shape)).result for _ in range(2))
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("pieces", [(), PIECES[0]], ids=["even", "pieces"])
@pytest.mark.parametrize("name", ["as published", "8 bits on both sides", "heads of 13"])
def test_fusion_puts_together_the_block_that_was_meant(name: str, pieces: tuple[Piece, ...]) -> None:
    """Every code and every sum of a fused block is that of a block put together by names."""
    shape = SHAPES[name]
    builder = native.core().Builder()
    for op in program(3, shape, pieces).ops:
        native.add_operation(builder, op)
    x = random_map(4, shape)
    fused = native.core().window_blocks(builder, RUNNABLE[-1])
    assert len(fused) == 2
    for found, op in zip(fused, blocks(3, shape, pieces=pieces), strict=True):
        result, codes, sums = found.trace_block(0, RUNNABLE[-1], x)
        wanted = trace(op, RUNNABLE[-1], x)
        np.testing.assert_array_equal(result, wanted.result)
        for got, role in zip(codes, SITES, strict=True):
            np.testing.assert_array_equal(got, wanted.codes[role], err_msg=role)
        for got, part in zip(sums, SUMS, strict=True):
            np.testing.assert_array_equal(got, wanted.sums[part], err_msg=part)
