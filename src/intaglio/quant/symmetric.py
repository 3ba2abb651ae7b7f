"""The symmetric grid of OAQ-SR's weights: one learnable bound, levels evenly from its negative to itself.

The numerics are those of a single piece (`piecewise.py`).
"""

from __future__ import annotations

from enum import StrEnum

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intaglio.quant import piecewise
from intaglio.quant.affine import MIN_RELATIVE_RANGE
from intaglio.quant.piecewise import Pieces
from intaglio.quant.quantizers import Quantizer
from intaglio.spec import Grid, check_bits, float32


class SignedRange(StrEnum):
    """How many levels a symmetric grid of b bits has."""

    NARROW = "narrow"
    """2^b - 1, zero among them: codes from -(2^(b-1) - 1) to 2^(b-1) - 1. Three levels at 2 bits."""
    FULL = "full"
    """2^b, zero not among them, as in the released code."""

    def steps(self, bits: int) -> int:
        """Number of steps from end to end.

        >>> SignedRange.NARROW.steps(2), SignedRange.FULL.steps(2)
        (2, 3)
        """
        return (1 << bits) - (2 if self is SignedRange.NARROW else 1)


class SymmetricQuantizer(Quantizer):
    """Fake quantization from -`bound` to `bound`, a scalar parameter.

    >>> quantizer = SymmetricQuantizer(torch.tensor(1.0), bits=2, signed=SignedRange.NARROW)
    >>> quantizer(torch.tensor([-3.0, 0.4, 0.6])).tolist()
    [-1.0, 0.0, 1.0]
    """

    def __init__(self, bound: Tensor, bits: int, signed: SignedRange) -> None:
        super().__init__()
        self.bits = check_bits(bits)
        self.signed = signed
        self.bound = nn.Parameter(bound.detach().clone().float())

    def pieces(self) -> Pieces:
        """The grid as it is now."""
        bound = self.bound.clamp(min=MIN_RELATIVE_RANGE).view(1)
        return Pieces(-bound, bound, bound[:0], (self.signed.steps(self.bits),))

    def forward(self, x: Float[Tensor, ...]) -> Float[Tensor, ...]:
        """The nearest level of each value."""
        return piecewise.fake_quantize(x, self.pieces())

    @torch.no_grad()
    def codes(self, x: Float[Tensor, ...]) -> Tensor:
        """The code of each value, 0 for -`bound`, as int64; shape of `x`."""
        return piecewise.encode(x, self.pieces())

    @torch.no_grad()
    def grids(self) -> tuple[Grid, ...]:
        """The same levels as codes from 0; a narrow range leaves the last code unused."""
        bound = float(self.pieces().ends)
        return (Grid(-bound, float32(2.0 * bound / self.signed.steps(self.bits)), self.bits),)

    def extra_repr(self) -> str:
        """Width, range and bound."""
        return f"bits={self.bits}, signed={self.signed.value}, bound={self.bound.item():.4g}"
