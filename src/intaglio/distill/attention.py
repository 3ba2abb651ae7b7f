"""The objective of pixel-aware calibration (Pac of Tu et al., CVPR 2023): output distance plus distance of energy maps.

The loop is in `loop.py`; what is trained when is in `intaglio.methods.dbdc_pac`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from intaglio.distill.losses import output_loss
from intaglio.distill.teacher import Target


class FeatureGradient(StrEnum):
    """Whether the feature term has a gradient."""

    FLOWS = "flows"
    """As the paper's equation says."""
    DETACHED = "detached"
    """As the released code runs: the features are detached copies, the term is part of the loss in name only."""


def energy_map(feature: Float[Tensor, "n ..."], channel_axis: int) -> Float[Tensor, "n pixels"]:
    """Mean square over channels at each pixel, flat and of norm 1 for each sample; zero for an all-zero feature."""
    return normalize(feature.square().mean(channel_axis).flatten(1), dim=1)


@dataclass(frozen=True)
class PacObjective:
    """``mean|O - O_q| + weight / B * sum_k MSE(g(F_k), g(F_qk))`` with g the `energy_map`, over the B taps."""

    taps: tuple[str, ...]
    channel_axis: int
    weight: float
    gradient: FeatureGradient

    divisible: ClassVar[bool] = True

    def __call__(self, output: Tensor, features: Sequence[Tensor], target: Target) -> Tensor:
        """The loss of a batch."""
        loss = output_loss(output, target.output)
        for ours, theirs in zip(features, target.features, strict=True):
            kept = ours.detach() if self.gradient is FeatureGradient.DETACHED else ours
            difference = energy_map(kept, self.channel_axis) - energy_map(theirs, self.channel_axis)
            loss = loss + self.weight / len(self.taps) * difference.square().mean()
        return loss
