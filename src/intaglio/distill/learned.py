"""Parameters of a model as one vector, so that an optimiser step is a handful of tensor operations, not hundreds.

The vector is what is learned; `write` puts it into the parameters, `take_gradient` reads theirs. Which parameters
learn is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

Rate = Callable[[int], float | None]
"""The learning rate at a step, from 0; None while the group rests (no update, Adam's moments stay as they are)."""


class LearnedVector:
    """Several parameters as displacements from where they started: ``parameter = start + unit * value``.

    `units` are what one unit of the vector means for each parameter, under Adam how far a step of learning rate 1
    moves it: one number for each, or a tensor of its shape. `gradient_scales` multiply the gradients (LSQ); 1 where
    none are given.
    """

    def __init__(
        self,
        parameters: Sequence[Tensor],
        units: Sequence[Tensor | float],
        gradient_scales: Sequence[float] | None = None,
    ) -> None:
        self.parameters = list(parameters)
        self.sizes = [parameter.numel() for parameter in self.parameters]
        with torch.no_grad():
            self.start = self._spread(self.parameters)
            self.unit = self._spread(units)
            self.slope = self.unit if gradient_scales is None else self.unit * self._spread(gradient_scales)
        self.values = nn.Parameter(torch.zeros_like(self.start))

    def _spread(self, values: Sequence[Tensor | float]) -> Float[Tensor, " s"]:
        parts = [
            torch.as_tensor(value, dtype=torch.float32).to(parameter.device).detach().expand_as(parameter).flatten()
            for value, parameter in zip(values, self.parameters, strict=True)
        ]
        return torch.cat(parts) if parts else torch.zeros(0)

    @torch.no_grad()
    def write(self) -> None:
        """Put ``start + unit * values`` into the parameters."""
        for parameter, part in zip(self.parameters, torch.split(self.current(), self.sizes), strict=True):
            parameter.copy_(part.view_as(parameter))

    @torch.no_grad()
    def current(self) -> Float[Tensor, " s"]:
        """The parameters that the learned values stand for."""
        return self.start + self.unit * self.values

    def listen(self, active: bool) -> None:
        """Whether the parameters ask autograd for gradients."""
        for parameter in self.parameters:
            parameter.requires_grad_(active)

    @torch.no_grad()
    def take_gradient(self) -> None:
        """Move the parameters' gradients, by the chain rule, to ``values.grad`` and clear them."""
        parts = [
            p.new_zeros(n) if p.grad is None else p.grad.flatten()
            for p, n in zip(self.parameters, self.sizes, strict=True)
        ]
        self.values.grad = torch.cat(parts) * self.slope
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def displacement(self) -> float:
        """Root mean square of the learned displacements, in their unit."""
        return float(self.values.square().mean().sqrt())


@dataclass(frozen=True)
class Group:
    """Parameters that learn together, and when: at the steps at which `rate` is a number."""

    vector: LearnedVector
    rate: Rate
