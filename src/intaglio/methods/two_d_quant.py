"""2DQuant (Liu et al., NeurIPS 2024): DOBI finds bounds for each tensor, DQC learns them all end to end.

Three registry entries: the first stage alone, the method as its paper writes it, and as its released code runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from intaglio.distill import DistillConfig, FeatureLoss, OutputScale, Schedule, StepUnit
from intaglio.methods.base import Step
from intaglio.methods.minmax import MinMaxMethod
from intaglio.methods.steps import Distill, FitBounds
from intaglio.observe import OneSidedMse, TwoSidedMse


class Start(StrEnum):
    """Which bounds the distillation starts from: the two columns of 2DQuant's ablation of stages (table 4c)."""

    DOBI = "dobi"
    MINMAX = "minmax"


@dataclass(frozen=True)
class Dobi:
    """Distribution-oriented bound initialisation, algorithm 1 (misprints mended, docs/methods/dobi.md).

    The least squared error over `candidates` bounds: both move for bell-shaped tensors and weights, the upper one
    alone for attention maps and the input of fc2. Cost: one float pass and one sort of every tensor.
    """

    candidates: int = 100
    patches: int = 32
    patch_size: int = 64

    def steps(self) -> tuple[Step, ...]:
        """One pass."""
        two_sided = TwoSidedMse(self.candidates)
        return (FitBounds(two_sided, two_sided, OneSidedMse(self.candidates), self.patches, self.patch_size),)


@dataclass(frozen=True)
class TwoDQuant:
    """DOBI, then distillation-based quantization calibration, with the paper's settings.

    `iterations` of Adam (0.9, 0.999) on batches of `batch` LR crops of `patch_size`, learning rate 1e-2 by a cosine,
    loss equation 4 plus `feature_weight` times equation 5 (lambda is not printed; 5 is the released value). Crops
    come from a fixed pool of `pool` random ones, so that the teacher answers each once; the paper draws from DF2K
    without end.

    The paper does not say what a step of 1e-2 is relative to. Under Adam with a plain mean loss it would move every
    bound by 1e-2, more than a fifth of a typical weight bound, so a step here is relative to the range that DOBI
    found (docs/methods/2dquant.md). `start` replaces DOBI by the extremes of every tensor, for the ablation.
    """

    iterations: int = 3000
    batch: int = 32
    learning_rate: float = 1e-2
    feature_weight: float = 5.0
    candidates: int = 100
    patches: int = 32
    patch_size: int = 64
    pool: int = 1024
    start: Start = Start.DOBI

    def steps(self) -> tuple[Step, ...]:
        """DOBI, then DQC."""
        config = DistillConfig(
            iterations=self.iterations,
            batch=self.batch,
            learning_rate=self.learning_rate,
            feature_weight=self.feature_weight,
        )
        first: Dobi | MinMaxMethod = Dobi(self.candidates, self.patches, self.patch_size)
        if self.start is Start.MINMAX:
            first = MinMaxMethod(self.patches, self.patch_size)
        return (*first.steps(), Distill(config, self.pool, self.patch_size))


@dataclass(frozen=True)
class TwoDQuantRelease:
    """2DQuant as its released code runs (docs/methods/2dquant-release.md).

    Differences from the paper: both bounds are searched for every tensor; batch 16, 4000 iterations, constant
    learning rate, second Adam beta 0.99; the output loss is divided by C * H * W once more, so that Adam's epsilon
    damps small gradients; the feature loss normalises every sample by every sample's norm. The released script picks
    its checkpoint on Set5; this does not: the last iterate is taken.
    """

    iterations: int = 4000
    batch: int = 16
    learning_rate: float = 1e-2
    feature_weight: float = 5.0
    candidates: int = 100
    patches: int = 32
    patch_size: int = 64
    pool: int = 1024

    def steps(self) -> tuple[Step, ...]:
        """The two-sided search for every tensor, then DQC."""
        search = TwoSidedMse(self.candidates)
        config = DistillConfig(
            iterations=self.iterations,
            batch=self.batch,
            learning_rate=self.learning_rate,
            beta2=0.99,
            schedule=Schedule.CONSTANT,
            step_unit=StepUnit.ABSOLUTE,
            output_scale=OutputScale.PER_ELEMENT,
            feature_loss=FeatureLoss.RELEASE,
            feature_weight=self.feature_weight,
        )
        first = FitBounds(search, search, search, self.patches, self.patch_size)
        return (first, Distill(config, self.pool, self.patch_size))
