"""Attention biases that a small perceptron computes from relative positions, instead of a table.

Its inputs are constants, so that its outputs are too once the network is trained. Quantization finds that out and
leaves it float (`quant.policy`).
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

COORDINATES = 2
"""Of a relative position: rows and columns."""


class PositionMlp(nn.Module):
    """A bias for each head from relative positions (Crossformer's dynamic position bias, without residuals)."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.pos_proj = _linear(COORDINATES, dim)
        self.pos1 = _stage(dim, dim)
        self.pos2 = _stage(dim, dim)
        self.pos3 = _stage(dim, heads)

    def forward(self, positions: Float[Tensor, "positions 2"]) -> Float[Tensor, "positions heads"]:
        """Shapes: (positions, 2), in pixels, to (positions, heads)."""
        biases: Tensor = self.pos3(self.pos2(self.pos1(self.pos_proj(positions))))
        return biases


def _stage(dim: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.LayerNorm(dim), nn.ReLU(), _linear(dim, out))


def _linear(in_features: int, out_features: int) -> nn.Linear:
    layer = nn.Linear(in_features, out_features)
    nn.init.trunc_normal_(layer.weight, std=0.02)
    nn.init.zeros_(layer.bias)
    return layer
