"""Distillation-based calibration of all bounds (DQC of 2DQuant): its objective and its one group of parameters.

The loop is in `loop.py`, the losses in `losses.py`, the published settings in `intaglio.methods.two_d_quant`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from jaxtyping import Float
from torch import Tensor, nn

from intaglio.distill.bounds_vector import bounds_vector
from intaglio.distill.config import DistillConfig, FeatureLoss, OutputScale
from intaglio.distill.learned import Group
from intaglio.distill.loop import OnStep, learn
from intaglio.distill.losses import feature_loss, output_loss, released_feature_loss
from intaglio.distill.taps import feature_taps_of
from intaglio.distill.teacher import Target
from intaglio.quant import QuantModel


@dataclass(frozen=True)
class DqcObjective:
    """Output loss plus `feature_weight` times a feature loss (2DQuant, equations 4 and 5), as printed or released."""

    output_scale: OutputScale
    feature_loss: FeatureLoss
    feature_weight: float
    taps: tuple[str, ...]

    @property
    def divisible(self) -> bool:
        """Whether the loss of a batch is the mean over its samples: the released one mixes them."""
        return self.feature_loss is not FeatureLoss.RELEASE

    def __call__(self, output: Tensor, features: Sequence[Tensor], target: Target) -> Tensor:
        """The loss of a batch."""
        loss = output_loss(output, target.output)
        if self.output_scale is OutputScale.PER_ELEMENT:
            loss = loss / math.prod(output.shape[1:])
        if self.feature_loss is FeatureLoss.PAPER:
            loss = loss + self.feature_weight * feature_loss(features, target.features)
        elif self.feature_loss is FeatureLoss.RELEASE:
            loss = loss + self.feature_weight * released_feature_loss(features, target.features)
        return loss


def objective_of(config: DistillConfig, network: nn.Module) -> DqcObjective:
    """The objective that a configuration names, on the taps of a network.

    Raises: MethodError if features are asked for and the network names none (remedy: see the message).
    """
    if config.feature_loss is FeatureLoss.NONE:
        return DqcObjective(config.output_scale, config.feature_loss, config.feature_weight, ())
    return DqcObjective(config.output_scale, config.feature_loss, config.feature_weight, feature_taps_of(network))


def distill(
    student: QuantModel,
    teacher: nn.Module,
    patches: Float[Tensor, "n c h w"],
    config: DistillConfig,
    *,
    checkpoint: Path | None = None,
    on_step: OnStep = lambda step, loss: None,
) -> tuple[float, ...]:
    """Learn the bounds of a calibrated student so that it answers as its teacher does; returns the loss of every step.

    Weights stay as they are; no HR picture is used. With `checkpoint` a run can be interrupted (see `learn`).

    Shapes: patches (N, C, H, W) in [0, 1]. Source: 2DQuant, section 3.3.
    Raises: CalibrationError if the loss is not finite (remedy: a smaller learning rate) or a site has no bounds.
    """
    student.require_calibrated()
    rate = config.schedule.rate(config.learning_rate, config.iterations)
    group = Group(bounds_vector(student, config.step_unit), rate)
    objective = objective_of(config, student.network)
    return learn(
        student,
        teacher,
        patches,
        objective,
        (group,),
        config.loop(),
        asdict(config),
        checkpoint=checkpoint,
        on_step=on_step,
    )
