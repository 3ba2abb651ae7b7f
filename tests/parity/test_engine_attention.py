"""Attention that fusion makes of two products and a softmax, against exact arithmetic, on every instruction set.

Codes of q, k and v are the reference's. A code of the attention map may be one of two where its exact value lies within
rounding of the middle between them; the context must lie between what the smaller and the larger ones give.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest

from intaglio.errors import EngineError
from intaglio.packed.examples import random_program
from intaglio.packed.program import Attr, Op, Program, Site
from intaglio.packed.size import H, W
from intaglio.runtime import native
from intaglio.runtime.reference import Reference
from intaglio.runtime.reference.affine import quantize
from intaglio.runtime.reference.windows import regions
from intaglio.runtime.single import run_operation
from intaglio.spec import Grid

EPSILON = 2.0**-24  # the relative error of one rounding
POWER = 3e-6  # of the power of two in the softmax
RUNNABLE = [one.name for one in native.machine().sets if one.runnable]
LEAST_LIKENESS = 33.0
"""As in test_engine_fusion.py."""


class Case(NamedTuple):
    """Sides of a window, windows down and across, shift, heads, their width, bits; each breaks another tiling."""

    window: tuple[int, int] = (4, 4)
    across: tuple[int, int] = (2, 2)
    shift: tuple[int, int] = (0, 0)
    heads: int = 2
    width: int = 8
    bits: int = 4
    factor: float = 1.0
    lower: float = 0.0

    @property
    def tokens(self) -> int:
        return self.window[0] * self.window[1]


CASES = {
    "as in DAT": Case((8, 32), (2, 2), (4, 16), heads=3, width=10),
    "tall, without a shift": Case((16, 4), (1, 3), width=5),
    "one token": Case((1, 1), (3, 1), heads=1, width=1),
    "an odd number of tokens": Case((7, 7), (2, 1), (3, 2), heads=3, width=13),
    "8 bits": Case((5, 4), (2, 2), (1, 0), width=12, bits=8),
    "7 bits": Case((4, 8), (1, 2), width=4, bits=7),
    "2 bits": Case((8, 8), (1, 1), heads=4, width=30, bits=2),
    "scores beyond single precision": Case((4, 4), (1, 1), width=9, factor=60.0),
    "a map that does not begin at 0": Case((4, 5), (2, 1), width=6, lower=-0.1),
}


class Drawn(NamedTuple):
    op: Op
    inputs: list[np.ndarray]
    mask: np.ndarray
    picture: tuple[int, int]


def drawn(case: Case, seed: int) -> Drawn:
    rng = np.random.default_rng(seed)
    height, width = (n * side for n, side in zip(case.across, case.window, strict=True))
    windows = case.across[0] * case.across[1]
    q, v = (rng.normal(size=(windows, case.heads, case.tokens, case.width)).astype(np.float32) for _ in range(2))
    k = rng.normal(size=(windows, case.heads, case.width, case.tokens)).astype(np.float32)
    top = 2**case.bits - 1

    def grid(lower: float, upper: float) -> tuple[Grid, ...]:
        return (Grid(lower, float(np.float32((upper - lower) / top)), case.bits),)

    bounds = {
        "scores.a": (-2.1, 2.3),
        "scores.b": (-2.2, 1.9),
        "context.a": (case.lower, 1.0),
        "context.b": (-2.0, 2.4),
    }
    sites = {role: Site(role, grid(*ends)) for role, ends in bounds.items()}
    bias = rng.normal(size=(case.heads, case.tokens, case.tokens)).astype(np.float32)
    factor = np.full(case.heads, case.factor / np.sqrt(case.width), np.float32)
    attrs: dict[str, Attr] = {"heads": case.heads, "tokens": case.tokens, "width": case.width}
    mask = np.zeros((windows, 1, case.tokens, case.tokens))
    if any(case.shift):
        attrs |= {
            "window": case.window,
            "shift": case.shift,
            "height": H,
            "width_of_map": W,
        }
        mask = masked(case, height, width)[:, None]
    op = Op("attention", "attention", ("q", "k", "v"), "y", attrs, {"bias": bias, "factor": factor}, sites)
    return Drawn(op, [q, k, v], mask, (height, width))


def masked(case: Case, height: int, width: int) -> np.ndarray:
    """What `shift_mask` adds, (windows, tokens, tokens)."""
    (tall, wide), (down, across) = case.window, case.shift
    marks = 3 * regions(height, tall, down)[:, None] + regions(width, wide, across)
    cut = marks.reshape(height // tall, tall, width // wide, wide).transpose(0, 2, 1, 3).reshape(-1, tall * wide)
    return np.where(cut[:, :, None] == cut[:, None, :], 0.0, -100.0)


def levels(x: np.ndarray, grid: Grid) -> np.ndarray:
    return float(grid.lower) + float(np.float32(grid.step)) * quantize(x, grid).astype(np.float64)


def bounds_of(case: Case, drawn: Drawn) -> tuple[np.ndarray, np.ndarray, float]:
    """The least and the largest context, and how many codes of the map are certain."""
    op, (q, k, v) = drawn.op, drawn.inputs
    grids = {role: site.grid for role, site in op.sites.items()}
    levels_q, levels_k = levels(q, grids["scores.a"]), levels(k, grids["scores.b"])
    factor, bias = op.tensors["factor"].astype(np.float64)[:, None, None], op.tensors["bias"].astype(np.float64)
    scores = levels_q @ levels_k * factor + bias + drawn.mask
    shares = np.exp(scores - scores.max(-1, keepdims=True))
    shares /= shares.sum(-1, keepdims=True)
    # Sums and products of codes and the bias are each rounded a few times; a score's error is the relative one of its
    # share.
    reach = [abs(grids[role].lower) + grids[role].step * 255 for role in ("scores.a", "scores.b")]
    size = np.abs(factor) * case.width * reach[0] * reach[1] + np.abs(bias) + 100.0 * (drawn.mask < 0)
    relative = 2 * (8 * EPSILON * size.max() + POWER) + 2 * (case.tokens + 8) * EPSILON
    grid = grids["context.a"]
    step, top = float(np.float32(grid.step)), 2**grid.bits - 1
    place = (shares - grid.lower) / step
    noise = shares / step * relative + 8 * EPSILON * (np.abs(place) + abs(grid.lower) / step)
    low, high = (np.clip(np.rint(place + sign * noise), 0, top) for sign in (-1, 1))
    values = levels(v, grids["context.b"])
    ends = [grid.lower + step * codes for codes in (low, high)]
    middle, spread = (ends[0] + ends[1]) / 2, (ends[1] - ends[0]) / 2
    rounding = 16 * EPSILON * (np.abs(middle) + abs(grid.lower) + step * 255) @ (np.abs(values) + 4.0)
    margin = spread @ np.abs(values) + rounding
    return middle @ values - margin, middle @ values + margin, float(np.mean(low == high))


@pytest.mark.parametrize("isa", RUNNABLE)
@pytest.mark.parametrize("name", CASES)
def test_attention(name: str, isa: str) -> None:
    case = CASES[name]
    made = drawn(case, len(name))
    low, high, certain = bounds_of(case, made)
    assert certain > 0.9
    got = run_operation(made.op, made.inputs, picture=made.picture, isa=isa, threads=2).output
    assert ((low <= got) & (got <= high)).all()


@pytest.mark.parametrize("isa", RUNNABLE)
def test_threads_do_not_change_a_bit(isa: str) -> None:
    made = drawn(CASES["as in DAT"], 3)
    one, three = (run_operation(made.op, made.inputs, picture=made.picture, isa=isa, threads=n).output for n in (1, 3))
    np.testing.assert_array_equal(one, three)


def test_windows_that_do_not_fit_are_refused() -> None:
    made = drawn(CASES["as in DAT"], 0)
    q, k, v = made.inputs
    for inputs in ([q[:1], k, v], [q, k[..., 1:], v], [q[:2], k[:2], v[:2]]):
        with pytest.raises(EngineError, match="attention"):
            run_operation(made.op, inputs, picture=made.picture)


def swin(**settings: int) -> Program:
    return random_program(np.random.default_rng(0), scale=1, **settings)  # type: ignore[arg-type]


def changed(program: Program, name: str, **attrs: Attr) -> Program:
    ops = tuple(replace(op, attrs={**op.attrs, **attrs}) if op.name.endswith(name) else op for op in program.ops)
    return replace(program, ops=ops)


def test_blocks_that_are_none_keep_their_attention_together() -> None:
    program = changed(changed(swin(blocks=2), "norm2", eps=1e-3), "mask.regions", value=-100.0)
    found = native.NativeProgram(program, threads=1).plan()
    kinds: Sequence[str] = [line.kind for line in found.lines]
    assert kinds.count("attention") == 2
    assert not {"softmax", "matmul", "shift_mask"} & set(kinds)
    image = np.random.default_rng(1).random((3, 19, 23), dtype=np.float32)
    error = native.NativeProgram(program, threads=1).planes(image) - Reference(program).planes(image)
    assert -10 * np.log10(np.mean(error.astype(np.float64) ** 2) + 1e-30) >= LEAST_LIKENESS


@pytest.mark.parametrize("heads", [1, 2])
def test_one_number_for_each_head_is_a_bias(heads: int) -> None:
    program = changed(swin(blocks=2, heads=heads), "norm2", eps=1e-3)
    numbers = np.arange(1.0, 1.0 + heads, dtype=np.float32).reshape(heads, 1, 1)
    value = numbers if heads > 1 else numbers.reshape(())
    ops = tuple(
        Op("constant", op.name, (), op.output, {}, {"value": value}) if op.kind == "position_bias" else op
        for op in program.ops
    )
    program = replace(program, ops=ops)
    kinds = [line.kind for line in native.NativeProgram(program, threads=1).plan().lines]
    assert kinds.count("attention") >= 1
    image = np.random.default_rng(1).random((3, 19, 23), dtype=np.float32)
    error = native.NativeProgram(program, threads=1).planes(image) - Reference(program).planes(image)
    assert -10 * np.log10(np.mean(error.astype(np.float64) ** 2) + 1e-30) >= LEAST_LIKENESS


def test_another_mask_is_told() -> None:
    program = changed(swin(blocks=2), "mask.regions", value=-50.0)
    found = native.NativeProgram(program, threads=1).plan()
    assert [remark.reason for remark in found.remarks if remark.pattern == "attention"] == [
        "what is added to the scores is neither a position bias nor the mask of a shift"
    ]
