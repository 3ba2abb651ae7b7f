"""Settings of the learning loop, and of DQC distillation; the published sets of them are in `intaglio.methods`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from intaglio.distill.bounds_vector import StepUnit
from intaglio.distill.schedules import Schedule
from intaglio.errors import SpecError


class FeatureLoss(StrEnum):
    """Which feature term is added to the output loss."""

    PAPER = "paper"
    """2DQuant, equation 5."""
    RELEASE = "release"
    """What the released code computes."""
    NONE = "none"
    """No feature term; the teacher's features are not even collected."""


class OutputScale(StrEnum):
    """What the mean absolute difference of the outputs is divided by."""

    MEAN = "mean"
    """Nothing more: the paper's equation 4."""
    PER_ELEMENT = "per-element"
    """Once more by C * H * W of the output: the released code. Adam's epsilon then limits the step of small
    gradients."""


@dataclass(frozen=True)
class Loop:
    """How many steps of Adam, and on what: batches of `batch` patches in random order without repetition within a pass.

    Raises: SpecError for a negative number of iterations or an empty batch.
    """

    iterations: int
    batch: int
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    seed: int = 0

    def __post_init__(self) -> None:
        if self.iterations < 0 or self.batch < 1:
            raise SpecError(
                f"{self.iterations} iterations of batch {self.batch} were asked for; give at least 0 and 1."
            )


@dataclass(frozen=True)
class DistillConfig:
    """Hyper-parameters of one distillation.

    `iterations` steps of Adam on batches of `batch` patches, in random order without repetition within a pass over
    the patches. `epsilon` is Adam's. `feature_weight` is lambda of the paper.
    """

    iterations: int = 3000
    batch: int = 32
    learning_rate: float = 1e-2
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    schedule: Schedule = Schedule.COSINE
    step_unit: StepUnit = StepUnit.RELATIVE
    output_scale: OutputScale = OutputScale.MEAN
    feature_loss: FeatureLoss = FeatureLoss.PAPER
    feature_weight: float = 5.0
    seed: int = 0

    def __post_init__(self) -> None:
        self.loop()
        if not self.learning_rate > 0.0:
            raise SpecError(f"a learning rate of {self.learning_rate} was asked for; give a positive one.")

    def loop(self) -> Loop:
        """The part that is not particular to DQC."""
        return Loop(self.iterations, self.batch, self.beta1, self.beta2, self.epsilon, self.seed)
