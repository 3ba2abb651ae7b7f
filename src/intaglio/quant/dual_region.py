"""The dual-region grid of OAQ-SR: a dense region around zero and coarser tails, split at a learnable breakpoint.

The numerics of pieces are in `piecewise.py`; how bounds and breakpoint are found is in `intaglio.methods.oaq`.
"""

from __future__ import annotations

from enum import StrEnum

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intaglio.quant import piecewise
from intaglio.quant.affine import MIN_RELATIVE_RANGE
from intaglio.quant.lattice import snap
from intaglio.quant.piecewise import Pieces
from intaglio.quant.quantizers import Quantizer
from intaglio.spec import Grid, check_bits


class Budget(StrEnum):
    """How many levels a nominal width of b bits has in all."""

    EXACT = "exact"
    """2^b, as the paper writes: half to the dense region, the rest to the tails."""
    RELEASE = "release"
    """2^(b+1), as the released code runs: 2^b dense, 2^(b-1) in each of two tails or 2^b in one; (b + 1)-bit codes."""


def pieces_of(
    lower: Float[Tensor, ""], upper: Float[Tensor, ""], breakpoint: Float[Tensor, ""], bits: int, budget: Budget
) -> Pieces:
    """The pieces of a grid from `lower` to `upper` that is dense between -`breakpoint` and `breakpoint`.

    A tail exists where a bound lies outside the dense region; what an absent tail would have goes to the other one, or
    to the dense region where there is none. Total for all finite arguments: bounds and breakpoint that do not follow
    each other are moved apart by a millionth of their size.
    """
    lower, upper, breakpoint = _in_order(lower, upper, breakpoint)
    below, above = bool(lower < -breakpoint), bool(upper > breakpoint)
    edges = [*([lower] if below else []), -breakpoint if below else lower, breakpoint if above else upper]
    edges += [upper] if above else []
    starts, ends = torch.stack(edges[:-1]), torch.stack(edges[1:])
    steps = _STEPS[budget](1 << bits, below, above)
    if budget is Budget.RELEASE and below:
        starts, ends = _released_dense(starts, ends, steps[1])
    return Pieces(
        starts, ends, torch.stack(edges[1:-1]) if len(edges) > 2 else starts[:0], steps, budget is Budget.EXACT
    )


def _in_order(lower: Tensor, upper: Tensor, breakpoint: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    gap = MIN_RELATIVE_RANGE * torch.maximum(lower.abs(), upper.abs()).clamp(min=1.0).detach()
    upper = torch.maximum(upper, lower + gap)
    # The dense region holds some of the range, also where that does not hold zero.
    return lower, upper, torch.maximum(breakpoint, torch.maximum(lower, -upper).detach().clamp(min=0.0) + gap)


def _exact_steps(levels: int, below: bool, above: bool) -> tuple[int, ...]:
    if below and above:
        return levels // 4, levels // 2 - 1, levels // 4
    if below:
        return levels // 2, levels // 2 - 1
    return (levels // 2 - 1, levels // 2) if above else (levels - 1,)


def _released_steps(levels: int, below: bool, above: bool) -> tuple[int, ...]:
    if below and above:
        return levels // 2 - 1, levels - 1, levels // 2 - 1
    return (levels - 1, levels - 1) if below or above else (levels - 1,)


_STEPS = {Budget.EXACT: _exact_steps, Budget.RELEASE: _released_steps}


def _released_dense(starts: Tensor, ends: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    # The release rounds x / d to codes from -2^(b-1) to 2^(b-1) - 1 without an offset: the whole dense grid lies half a
    # step d too low, and its upper end is no level.
    half = (ends[1] - starts[1]) / (2 * steps)
    shift = torch.stack([half if index == 1 else torch.zeros_like(half) for index in range(len(starts))])
    return starts - shift, ends - shift


class DualRegionQuantizer(Quantizer):
    """Fake quantization on a dual-region grid; bounds and breakpoint can be learned (OAQ-SR, equation 3).

    `lower`, `upper` and `breakpoint` are scalar parameters. Levels by `budget`. It is no affine grid; `grids` has the
    nearest one that integer products can use.

    >>> quantizer = DualRegionQuantizer(torch.tensor(-8.0), torch.tensor(8.0), torch.tensor(1.0), bits=2)
    >>> quantizer(torch.tensor([-7.0, -0.9, 0.2, 3.0, 5.0])).tolist()
    [-8.0, -1.0, 1.0, 1.0, 8.0]
    """

    def __init__(
        self, lower: Tensor, upper: Tensor, breakpoint: Tensor, bits: int, budget: Budget = Budget.EXACT
    ) -> None:
        super().__init__()
        self.bits = check_bits(bits)
        self.budget = budget
        self.lower = nn.Parameter(lower.detach().clone().float())
        self.upper = nn.Parameter(upper.detach().clone().float())
        self.breakpoint = nn.Parameter(breakpoint.detach().clone().float())

    def pieces(self) -> Pieces:
        """The grid as it is now."""
        return pieces_of(self.lower, self.upper, self.breakpoint, self.bits, self.budget)

    def forward(self, x: Float[Tensor, ...]) -> Float[Tensor, ...]:
        """The nearest level of each value's region."""
        return piecewise.fake_quantize(x, self.pieces())

    @torch.no_grad()
    def codes(self, x: Float[Tensor, ...]) -> Tensor:
        """The code of each value, an index into the levels of `pieces`, as int64; shape of `x`."""
        return piecewise.encode(x, self.pieces())

    @torch.no_grad()
    def grids(self) -> tuple[Grid, ...]:
        """The nearest grid whose levels are codes of one affine grid (`lattice.snap`). Raises: LoweringError for the
        released budget, whose dense region begins below the end of the tail."""
        return (snap(self.pieces()),)

    def extra_repr(self) -> str:
        """Width, budget, bounds and breakpoint."""
        numbers = (self.lower.item(), self.breakpoint.item(), self.upper.item())
        return f"bits={self.bits}, budget={self.budget.value}, lower={numbers[0]:.4g}, " + (
            f"breakpoint={numbers[1]:.4g}, upper={numbers[2]:.4g}"
        )
