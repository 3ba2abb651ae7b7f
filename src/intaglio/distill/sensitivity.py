"""The objective of sensitivity-aware fine-tuning (OAQ-SR, ICCV 2025), and the sensitivities that weigh its layers.

The loop is in `loop.py`; what is trained when is in `intaglio.methods.oaq`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import normalize

from intaglio.distill.losses import output_loss
from intaglio.distill.taps import tapped
from intaglio.distill.teacher import Target

WHITE = 255.0
"""Sensitivities and output distances are in grey levels, whatever range a network computes in."""


class Normalise(StrEnum):
    """What the spreads of the layers are divided by before the softmax."""

    NONE = "none"
    """Nothing: as published, meaningful on the range of 0 to 255 only."""
    MEAN = "mean"
    """Their mean over the layers: free of range and network."""


@torch.no_grad()
def spreads(teacher: nn.Module, patches: Float[Tensor, "n c h w"], taps: Sequence[str]) -> Float[Tensor, " k"]:
    """Standard deviation of each tap's output, mean over the patches (OAQ-SR, equation 4), in grey levels.

    Features of a network that computes in [0, 1] are multiplied by 255, as if they were homogeneous in the input.
    """
    total = torch.zeros(len(taps), dtype=torch.float64, device=patches.device)
    with tapped(teacher, taps) as features:
        for index in range(len(patches)):
            teacher(patches[index : index + 1])
            total += torch.stack([features[name].double().std(correction=0) for name in taps])
    scale = WHITE / float(getattr(teacher, "pixel_range", 1.0))
    return (total * (scale / len(patches))).float()


def sensitivities(spread: Float[Tensor, " k"], temperature: float, normalise: Normalise) -> Float[Tensor, " k"]:
    """Softmax of the spreads over `temperature`; sums to 1.

    >>> sensitivities(torch.tensor([2.0, 2.0]), temperature=1.0, normalise=Normalise.NONE).tolist()
    [0.5, 0.5]
    """
    if normalise is Normalise.MEAN:
        spread = spread / spread.mean().clamp(min=torch.finfo(spread.dtype).tiny)
    return torch.softmax(spread / temperature, dim=0)


@dataclass(frozen=True)
class SensitivityObjective:
    """``feature_weight * L_sen + output_weight * L_rec`` (OAQ-SR, equation 7).

    L_sen is the mean over the K taps of sensitivity times the distance of the two features, each of norm 1 for each
    sample; L_rec is the mean absolute difference of the outputs in grey levels. `weights` are the sensitivities, one
    for each tap.
    """

    taps: tuple[str, ...]
    weights: tuple[float, ...]
    feature_weight: float
    output_weight: float

    divisible: ClassVar[bool] = True

    def __call__(self, output: Tensor, features: Sequence[Tensor], target: Target) -> Tensor:
        """The loss of a batch."""
        loss = self.output_weight * WHITE * output_loss(output, target.output)
        batch = len(output)
        for weight, ours, theirs in zip(self.weights, features, target.features, strict=True):
            # Windows of a picture follow each other, so that a sample is a run of rows.
            difference = normalize(ours.reshape(batch, -1), dim=1) - normalize(theirs.reshape(batch, -1), dim=1)
            loss = loss + self.feature_weight * weight / len(self.taps) * difference.norm(dim=1).mean()
        return loss
