"""Our own method: bounds by search, weights by least squares, then weights and bounds distilled together.

Label-free, but weights are trained through their quantizers, so it is nearer to quantization-aware training than to
calibration.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from intaglio.distill import (
    DistillConfig,
    FeatureLoss,
    Group,
    LearnedVector,
    Schedule,
    StepUnit,
    bounds_vector,
    objective_of,
)
from intaglio.errors import SpecError
from intaglio.methods.base import Job, Step
from intaglio.methods.correct_weights import CorrectWeights, Target
from intaglio.methods.correction import LeastSquares
from intaglio.methods.learning import learn_on_pool
from intaglio.methods.require import Require
from intaglio.methods.two_d_quant import Dobi
from intaglio.observe import TwoSidedMse
from intaglio.quant import QuantModel
from intaglio.quant.layers import QuantConv2d, QuantLinear


@dataclass(frozen=True)
class DistillWeights:
    """Distil the weights of all quantized layers together with all bounds, by the output loss alone.

    Rates are relative and fall by a cosine: `config.learning_rate` of a bound's range, `weight_rate` of the largest
    magnitude of a weight, in one step of Adam. Figures as `learn_on_pool`, and ``weight_displacement``, the root mean
    square of what the weights moved in those units.
    """

    config: DistillConfig
    weight_rate: float
    pool: int
    patch_size: int

    def __post_init__(self) -> None:
        if not self.weight_rate > 0.0:
            raise SpecError(f"a weight rate of {self.weight_rate} was asked for; give a positive one.")

    def __call__(self, job: Job) -> None:
        """Learn in place; the teacher's weights are its own."""
        weights = weights_vector(job.model)
        steps, schedule = self.config.iterations, self.config.schedule
        groups = (
            Group(bounds_vector(job.model, self.config.step_unit), schedule.rate(self.config.learning_rate, steps)),
            Group(weights, schedule.rate(self.weight_rate, steps)),
        )
        objective = objective_of(self.config, job.model.network)
        settings = {**asdict(self.config), "weight_rate": self.weight_rate}
        learn_on_pool(job, objective, groups, self.config.loop(), self.pool, self.patch_size, settings)
        job.figures["weight_displacement"] = weights.displacement()


def weights_vector(model: QuantModel) -> LearnedVector:
    """The weights of all quantized linears and convolutions, each in units of its largest magnitude."""
    layers = [layer for layer in model.modules() if isinstance(layer, (QuantLinear, QuantConv2d))]
    weights = [layer.weight for layer in layers]
    return LearnedVector(weights, [weight.detach().abs().max() for weight in weights])


@dataclass(frozen=True)
class Engrave:
    """DOBI, least-squares correction of the weights, then weights and bounds distilled end to end. Ours.

    No HR picture is used: the target is the float network's output on LR crops. `weight_rate` and `learning_rate` are
    the relative steps of weights and bounds; `damping` and `target` are those of `LeastSquaresMethod`. The feature loss
    of DQC is left out, since it is numerically zero (methods.md 5.5). Inference costs what 2DQuant's does: same grids,
    same storage. Cost: three float passes, then steps about as long as those of DQC.

    `weight_rate` is untuned: it was not chosen by measurement.
    """

    damping: float = 1e-2
    target: Target = Target.SYMMETRIC
    iterations: int = 3000
    batch: int = 32
    learning_rate: float = 1e-2
    weight_rate: float = 1e-3
    candidates: int = 100
    patches: int = 32
    patch_size: int = 64
    pool: int = 1024

    def steps(self) -> tuple[Step, ...]:
        """DOBI, correction, distillation of both."""
        config = DistillConfig(
            iterations=self.iterations,
            batch=self.batch,
            learning_rate=self.learning_rate,
            schedule=Schedule.COSINE,
            step_unit=StepUnit.RELATIVE,
            feature_loss=FeatureLoss.NONE,
        )
        search = TwoSidedMse(self.candidates)
        return (
            Require(ungrouped=True),
            *Dobi(self.candidates, self.patches, self.patch_size).steps(),
            CorrectWeights(LeastSquares(self.damping), search, self.target, self.patches, self.patch_size),
            DistillWeights(config, self.weight_rate, self.pool, self.patch_size),
        )
