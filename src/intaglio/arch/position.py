"""Attention biases that a small perceptron computes from relative positions, instead of a table.

Its inputs are constants, so it is no place for quantization: once the network is trained its outputs are constants too.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import linear

COORDINATES = 2
"""Of a relative position: rows and columns."""


class ConstantLinear(nn.Module):
    """A linear layer whose input never depends on a picture; not an `nn.Linear`, so that it gets no sites."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_features, in_features))
        self.bias = nn.Parameter(torch.zeros(out_features))
        nn.init.trunc_normal_(self.weight, std=0.02)

    def forward(self, x: Float[Tensor, "positions in"]) -> Float[Tensor, "positions out"]:
        """Shapes: (positions, in) to (positions, out)."""
        return linear(x, self.weight, self.bias)


class PositionMlp(nn.Module):
    """A bias for each head from relative positions (Crossformer's dynamic position bias, without residuals)."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.pos_proj = ConstantLinear(COORDINATES, dim)
        self.pos1 = _stage(dim, dim)
        self.pos2 = _stage(dim, dim)
        self.pos3 = _stage(dim, heads)

    def forward(self, positions: Float[Tensor, "positions 2"]) -> Float[Tensor, "positions heads"]:
        """Shapes: (positions, 2), in pixels, to (positions, heads)."""
        biases: Tensor = self.pos3(self.pos2(self.pos1(self.pos_proj(positions))))
        return biases


def _stage(dim: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.LayerNorm(dim), nn.ReLU(), ConstantLinear(dim, out))
