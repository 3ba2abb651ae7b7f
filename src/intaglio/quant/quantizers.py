"""What stands at a site: nothing yet, or an affine quantizer with learnable bounds.

A site changes by exchanging its module, so no module carries a mode. The numerics are in `affine.py`.
"""

from __future__ import annotations

from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intaglio.errors import BoundsError, LoweringError
from intaglio.quant import affine
from intaglio.quant.apart import apart
from intaglio.spec import Bounds, Grid, check_bits


class Quantizer(nn.Module):
    """A module that replaces the values of a site by levels; the shape of its input is that of its output."""

    def __call__(self, x: Float[Tensor, ...]) -> Float[Tensor, ...]:
        """`forward` and its hooks, none of which is part of the network (see `apart`)."""
        with apart():
            levels: Tensor = super().__call__(x)
        return levels

    def forward(self, x: Float[Tensor, ...]) -> Float[Tensor, ...]:
        """The levels that stand for `x`."""
        raise NotImplementedError

    def codes(self, x: Float[Tensor, ...]) -> Tensor:
        """The code of each value, shape of `x`. Raises: LoweringError where values have no codes."""
        raise LoweringError(f"a {type(self).__name__} has no codes; only calibrated sites have.")

    def grids(self) -> tuple[Grid, ...]:
        """The grid of integer products, one or one for each output channel. Raises: LoweringError if there is none."""
        raise LoweringError(f"a {type(self).__name__} has no grid for integer products; evaluate it in simulation.")


class Unset(Quantizer):
    """A site without bounds: passes float values on. Calibration listens here."""

    def forward(self, x: Float[Tensor, ...]) -> Float[Tensor, ...]:
        """`x` itself."""
        return x


class AffineQuantizer(Quantizer):
    """Fake quantization on an affine grid whose two bounds can be learned (2DQuant, equations 1-2).

    `lower` and `upper` are parameters, scalars for a whole tensor, or (out, 1, ...) for one pair each output channel.

    >>> AffineQuantizer(torch.tensor(-1.0), torch.tensor(2.0), bits=2)(torch.tensor([0.2, 7.0])).tolist()
    [0.0, 2.0]
    """

    def __init__(self, lower: Tensor, upper: Tensor, bits: int) -> None:
        super().__init__()
        if lower.shape != upper.shape:
            raise BoundsError(
                f"lower bounds of shape {tuple(lower.shape)} and upper of {tuple(upper.shape)}; give equal ones."
            )
        self.bits = check_bits(bits)
        self.lower = nn.Parameter(lower.detach().clone().float())
        self.upper = nn.Parameter(upper.detach().clone().float())

    @classmethod
    def from_bounds(cls, bounds: Bounds, bits: int) -> AffineQuantizer:
        """A quantizer for a whole tensor."""
        return cls(torch.tensor(bounds.lower), torch.tensor(bounds.upper), bits)

    @classmethod
    def per_channel(cls, bounds: list[Bounds], bits: int, dims: int) -> AffineQuantizer:
        """A quantizer with one pair of bounds for each slice of axis 0 of a tensor with `dims` axes."""
        shape = (len(bounds),) + (1,) * (dims - 1)
        lower = torch.tensor([b.lower for b in bounds]).view(shape)
        upper = torch.tensor([b.upper for b in bounds]).view(shape)
        return cls(lower, upper, bits)

    def forward(self, x: Float[Tensor, ...]) -> Float[Tensor, ...]:
        """The level nearest to each value; at most ``2**bits`` distinct values for each pair of bounds."""
        return affine.fake_quantize(x, self.lower, self.upper, self.bits)

    @torch.no_grad()
    def codes(self, x: Float[Tensor, ...]) -> Tensor:
        """The code of each value as uint8; shape of `x`."""
        upper = affine.safe_upper(self.lower, self.upper)
        return affine.encode(x, self.lower, upper, self.bits).to(torch.uint8)

    @torch.no_grad()
    def grids(self) -> tuple[Grid, ...]:
        """The grid of each pair of bounds, in single precision exactly as `forward` uses it."""
        upper = affine.safe_upper(self.lower, self.upper)
        steps = affine.step_of(self.lower, upper, self.bits).flatten().tolist()
        lowers = cast(list[float], self.lower.flatten().tolist())
        return tuple(Grid(low, step, self.bits) for low, step in zip(lowers, steps, strict=True))

    def extra_repr(self) -> str:
        """Width and, for a whole tensor, the bounds."""
        if self.lower.dim():
            return f"bits={self.bits}, channels={self.lower.numel()}"
        return f"bits={self.bits}, lower={self.lower.item():.4g}, upper={self.upper.item():.4g}"
