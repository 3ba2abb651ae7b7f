"""Our objective: the output of the teacher, and what it computes on the way there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from intaglio.distill.losses import output_loss, relative_feature_loss
from intaglio.distill.teacher import Target


@dataclass(frozen=True)
class Imitation:
    """Mean absolute difference of the outputs plus `feature_weight` times the relative feature loss of `taps`.

    The first is in units of the output, a share of its range; the second is a share of what the features vary. Where
    nothing is tapped the output alone counts.
    """

    feature_weight: float
    taps: tuple[str, ...]

    divisible: ClassVar[bool] = True
    """As an approximation: of shares of features that vary over the batch."""

    def __call__(self, output: Tensor, features: Sequence[Tensor], target: Target) -> Tensor:
        """The loss of a batch."""
        loss = output_loss(output, target.output)
        return loss + self.feature_weight * relative_feature_loss(features, target.features) if self.taps else loss
