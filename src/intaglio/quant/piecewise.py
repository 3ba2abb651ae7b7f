"""Piecewise uniform quantization: affine pieces side by side as one table of levels, with straight-through gradients.

Pure functions of tensors. Which pieces there are is decided by the quantizers (`dual_region.py`, `symmetric.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor


@dataclass(frozen=True)
class Pieces:
    """Affine pieces from left to right, and where one hands over to the next.

    Piece i has ``steps[i] + 1`` levels, evenly from ``starts[i]`` to ``ends[i]``; it takes values from ``cuts[i - 1]``
    to ``cuts[i]``. Where `joined`, each piece ends at the level at which the next starts, and both count it once.
    Values outside the first start and the last end are clipped.

    Shapes: `starts` and `ends` (k,), `cuts` (k - 1,); gradients flow to the first two.
    """

    starts: Float[Tensor, " k"]
    ends: Float[Tensor, " k"]
    cuts: Float[Tensor, " cuts"]
    steps: tuple[int, ...]
    joined: bool = True

    @property
    def first_codes(self) -> tuple[int, ...]:
        """The code of each piece's first level; one more entry than pieces, for the code after the last."""
        widths = (steps + (0 if self.joined else 1) for steps in self.steps)
        return tuple(accumulate(widths, initial=0))

    def levels(self) -> Float[Tensor, " levels"]:
        """The level of each code, ascending within a piece; both ends of each piece exactly."""
        table = [
            torch.lerp(start, end, torch.arange(steps + 1, dtype=start.dtype, device=start.device) / steps)
            for start, end, steps in zip(self.starts, self.ends, self.steps, strict=True)
        ]
        kept = [part[:-1] for part in table[:-1]] if self.joined else table[:-1]
        return torch.cat([*kept, table[-1]])


def encode(x: Float[Tensor, ...], pieces: Pieces) -> Int64[Tensor, ...]:
    """The code of each value: the nearest level of the piece that it falls in, ties to the even code of the piece.

    >>> pieces = Pieces(torch.tensor([-1.0, 1.0]), torch.tensor([1.0, 5.0]), torch.tensor([1.0]), steps=(2, 1))
    >>> encode(torch.tensor([-9.0, 0.6, 1.0, 4.0, 9.0]), pieces).tolist()
    [0, 2, 2, 3, 3]
    """
    codes = torch.zeros(x.shape, dtype=torch.int64, device=x.device)
    for index, (steps, first) in enumerate(zip(pieces.steps, pieces.first_codes, strict=False)):
        start, end = pieces.starts[index], pieces.ends[index]
        inverse = steps / (end - start)
        code = ((x - start) * inverse).round_().clamp_(0, steps).long() + first
        codes = code if index == 0 else torch.where(x > pieces.cuts[index - 1], code, codes)
    return codes


def fake_quantize(x: Float[Tensor, ...], pieces: Pieces) -> Float[Tensor, ...]:
    """The level of each value's code, with straight-through gradients to `x` and to both ends of every piece.

    To `x`: the incoming gradient from the first start to the last end, 0 outside. To the ends of the piece that a value
    falls in: the rounding residue ``code / steps - v`` at its end and the negative residue at its start, ``v = (x -
    start) / (end - start)``; above all pieces 1 to the last end, below 1 to the first start.

    >>> pieces = Pieces(torch.tensor([-1.0, 1.0]), torch.tensor([1.0, 5.0]), torch.tensor([1.0]), steps=(2, 1))
    >>> fake_quantize(torch.tensor([-9.0, 0.6, 4.0]), pieces).tolist()
    [-1.0, 1.0, 5.0]
    """
    out: Tensor = _Piecewise.apply(x, pieces.starts, pieces.ends, pieces)  # type: ignore[no-untyped-call]
    return out


class _Piecewise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, starts: Tensor, ends: Tensor, pieces: Pieces) -> Tensor:
        detached = Pieces(starts.detach(), ends.detach(), pieces.cuts.detach(), pieces.steps, pieces.joined)
        codes = encode(x, detached)
        ctx.save_for_backward(x)
        ctx.pieces, ctx.codes = detached, codes.to(torch.int16)
        return detached.levels()[codes]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        (grad,) = grads
        (x,) = ctx.saved_tensors
        pieces: Pieces = ctx.pieces
        above, below = x > pieces.ends[-1], x < pieces.starts[0]
        inner = grad.masked_fill(above | below, 0.0)
        to_starts, to_ends = torch.zeros_like(pieces.starts), torch.zeros_like(pieces.ends)
        for index, (steps, first) in enumerate(zip(pieces.steps, pieces.first_codes, strict=False)):
            start, end = pieces.starts[index], pieces.ends[index]
            residue = (ctx.codes - first).to(x.dtype) / steps - (x - start) / (end - start)
            here = _within(x, pieces, index)
            total = torch.where(here, residue * inner, 0.0).sum()
            to_ends[index] = total
            to_starts[index] = -total
        to_ends[-1] += torch.where(above, grad, 0.0).sum()
        to_starts[0] += torch.where(below, grad, 0.0).sum()
        return inner, to_starts, to_ends, None


def _within(x: Tensor, pieces: Pieces, index: int) -> Tensor:
    here = torch.ones_like(x, dtype=torch.bool)
    if index > 0:
        here &= x > pieces.cuts[index - 1]
    if index < len(pieces.steps) - 1:
        here &= x <= pieces.cuts[index]
    return here
