"""All bounds of a model as one vector, so that an optimiser step is a handful of tensor operations, not hundreds.

The vector is what is learned; `write` puts it into the quantizers, `gradient` reads theirs.
"""

from __future__ import annotations

from enum import StrEnum

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intaglio.quant import QuantModel


class StepUnit(StrEnum):
    """What one unit of the learned vector means; under Adam it sets how far a bound moves in a step."""

    ABSOLUTE = "absolute"
    """The bound itself, as published: a learning rate of 1e-2 moves every bound by up to 1e-2, whatever its range."""
    RELATIVE = "relative"
    """The bound's displacement in units of the range it started with: 1e-2 moves it by one percent of the range."""


class BoundsVector:
    """The lower and upper bounds of all affine quantizers, as displacements from where they started.

    ``bound = start + unit * value`` with `unit` 1 or the starting range. A quantizer shared by several readers occurs
    once.
    """

    def __init__(self, model: QuantModel, unit: StepUnit) -> None:
        quantizers = list(dict.fromkeys(model.affine().values()))
        self.parameters: list[nn.Parameter] = [bound for q in quantizers for bound in (q.lower, q.upper)]
        self.sizes = [bound.numel() for bound in self.parameters]
        with torch.no_grad():
            self.start = self._gather()
            ranges = [(q.upper - q.lower).flatten() for q in quantizers]
            self.unit = torch.cat([part for r in ranges for part in (r, r)])
        if unit is StepUnit.ABSOLUTE:
            self.unit = torch.ones_like(self.unit)
        self.values = nn.Parameter(torch.zeros_like(self.start))

    def _gather(self) -> Float[Tensor, " s"]:
        return torch.cat([bound.detach().flatten() for bound in self.parameters]).clone()

    @torch.no_grad()
    def write(self) -> None:
        """Put ``start + unit * values`` into the quantizers."""
        bounds = self.start + self.unit * self.values
        for parameter, part in zip(self.parameters, torch.split(bounds, self.sizes), strict=True):
            parameter.copy_(part.view_as(parameter))

    @torch.no_grad()
    def take_gradient(self) -> None:
        """Move the quantizers' gradients, by the chain rule, to ``values.grad`` and clear them."""
        parts = [
            torch.zeros(n) if p.grad is None else p.grad.flatten()
            for p, n in zip(self.parameters, self.sizes, strict=True)
        ]
        self.values.grad = torch.cat(parts) * self.unit
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def displacement(self) -> float:
        """Root mean square of the learned displacements, in their unit."""
        return float(self.values.square().mean().sqrt())
