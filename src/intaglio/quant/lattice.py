"""Unevenly spaced levels on the codes of one affine grid: how piecewise grids enter integer products.

No part of the papers: OAQ-SR and twin uniform quantizers leave open how products of such tensors are formed. Where all
spacings are whole multiples of one fine step, the levels are some of the codes of an affine grid with that step.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from intaglio.errors import LoweringError
from intaglio.quant.piecewise import Pieces
from intaglio.quant.quantizers import Quantizer
from intaglio.spec import MAX_BITS, MIN_BITS, Grid, Piece, float32

TOP = (1 << MAX_BITS) - 1


def snap(pieces: Pieces) -> Grid:
    """The affine grid of up to 8 bits, some of whose codes stand for the levels of `pieces`.

    The densest piece keeps its levels exactly where 8 bits can hold the rest; spacings of the others are rounded to
    multiples of the fine step, which divides the densest spacing. Among the fine steps that fit, the one that moves
    levels least, in units of their own spacing, is taken. Where none fits, the densest spacing becomes that of a plain
    8-bit grid over the same range.

    Raises: LoweringError if the pieces leave gaps, descend, or have more levels than 8 bits (remedy: evaluate such a
    model in simulation).

    >>> snap(Pieces(torch.tensor([-1.0, 1.0]), torch.tensor([1.0, 5.1]), torch.tensor([1.0]), steps=(2, 1)))
    Grid(lower=-1.0, step=0.03333333507180214, bits=8, pieces=(Piece(stride=30, steps=2), Piece(stride=123, steps=1)))
    """
    if not pieces.joined or sum(pieces.steps) > TOP:
        raise LoweringError(
            "its pieces overlap or have more levels than 8-bit codes, so that it has no integer form; evaluate the"
            " model in simulation."
        )
    spacings = [
        (end - start) / steps
        for start, end, steps in zip(pieces.starts.tolist(), pieces.ends.tolist(), pieces.steps, strict=True)
    ]
    kept = spacings.index(min(spacings))
    found = _finest(spacings, pieces.steps)
    if found is None:
        found, kept = _over_the_range(spacings, pieces.steps), 0
    step, strides = found
    before = _top(strides[:kept], pieces.steps[:kept])
    used = tuple(Piece(stride, steps) for stride, steps in zip(strides, pieces.steps, strict=True))
    lower = float32(float(pieces.starts[kept]) - step * before)
    return Grid(lower, float32(step), max(MIN_BITS, _top(strides, pieces.steps).bit_length()), used)


def _finest(spacings: list[float], steps: tuple[int, ...]) -> tuple[float, list[int]] | None:
    """A fine step that divides the densest spacing, and the spacings in such steps; None if they leave 8 bits."""
    fitting = []
    for parts in range(1, TOP + 1):
        step = min(spacings) / parts
        strides = [max(1, round(spacing / step)) for spacing in spacings]
        if _top(strides, steps) <= TOP:
            fitting.append((_displacement(spacings, steps, step, strides), step, strides))
    return min(fitting)[1:] if fitting else None


def _over_the_range(spacings: list[float], steps: tuple[int, ...]) -> tuple[float, list[int]]:
    """The finest step by which all pieces span their range, and the spacings in such steps, 1 at least."""
    span = sum(spacing * count for spacing, count in zip(spacings, steps, strict=True))
    strides = [1] * len(steps)
    while True:
        # What is left of the codes goes, step by step, to the piece that falls shortest of its share.
        step = span / _top(strides, steps)
        short = [spacing - stride * step for spacing, stride in zip(spacings, strides, strict=True)]
        grown = strides.copy()
        grown[short.index(max(short))] += 1
        if _top(grown, steps) > TOP or max(short) <= 0.0:
            return step, strides
        strides = grown


def _top(strides: list[int], steps: tuple[int, ...]) -> int:
    return sum(stride * count for stride, count in zip(strides, steps, strict=True))


def _displacement(spacings: list[float], steps: tuple[int, ...], step: float, strides: list[int]) -> float:
    parts = zip(spacings, steps, strides, strict=True)
    return max(abs(stride * step - spacing) * count / spacing for spacing, count, stride in parts)


class GridQuantizer(Quantizer):
    """Fake quantization on a grid as the integer engine has it, pieces and all; nothing to learn.

    >>> GridQuantizer(Grid(0.0, 0.5, bits=3, pieces=(Piece(1, 2), Piece(2, 2))))(torch.tensor([0.4, 1.6, 9.0])).tolist()
    [0.5, 2.0, 3.0]
    """

    def __init__(self, grid: Grid) -> None:
        super().__init__()
        self.grid = grid

    def forward(self, x: Float[Tensor, ...]) -> Float[Tensor, ...]:
        """The level of each value's code."""
        return self.grid.lower + self.grid.step * self.codes(x).to(x.dtype)

    @torch.no_grad()
    def codes(self, x: Float[Tensor, ...]) -> UInt8[Tensor, ...]:
        """The code of each value, equations (2) and (2b) of the numerics page; shape of `x`."""
        position = (x - self.grid.lower) * _inverse(self.grid.step, x)
        codes, first = torch.zeros_like(position), 0
        for stride, steps in self.grid.runs:
            codes += stride * ((position - first) * _inverse(stride, x)).round_().clamp_(0, steps)
            first += stride * steps
        return codes.to(torch.uint8)

    def grids(self) -> tuple[Grid, ...]:
        """The grid."""
        return (self.grid,)

    def extra_repr(self) -> str:
        """Width, levels and ends."""
        grid = self.grid
        return f"bits={grid.bits}, levels={grid.levels}, lower={grid.lower:.4g}, upper={grid.upper:.4g}"


def _inverse(step: float | int, like: Tensor) -> Tensor:
    return 1.0 / torch.tensor(step, dtype=like.dtype, device=like.device)
