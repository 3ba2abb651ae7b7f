"""Our own method: exact folds, bounds by search, weights by least squares, then everything distilled together.

Label-free, but weights are trained through their quantizers, so it is nearer to quantization-aware training than to
calibration.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from intaglio.distill import (
    Group,
    Imitation,
    Loop,
    Schedule,
    biases_in_steps,
    bounds_in_steps,
    floats_in_shares,
    inner_taps,
    weights_in_steps,
)
from intaglio.errors import SpecError
from intaglio.methods.base import Job, Step
from intaglio.methods.mse import Mse
from intaglio.methods.steps import KeepIfCloser, Require
from intaglio.methods.steps.balance import OnBalancedNorms
from intaglio.methods.steps.correct_weights import CorrectWeights, Target
from intaglio.methods.steps.correction import LeastSquares
from intaglio.methods.steps.equalize import OnEqualizedChannels
from intaglio.methods.steps.learning import learn_on_pool
from intaglio.observe import FreeMse


@dataclass(frozen=True)
class DistillWeights:
    """Distil weights and biases of all layers, quantized or not, together with all bounds, by outputs and features.

    The loss is `Imitation` with `feature_weight`, the features those of `inner_taps`; 0 leaves the output alone.
    Rates count steps of a grid in one step of Adam, and fall by a cosine: `bound_rate` for bounds, `weight_rate` for
    weights and, times the range of the layer's input, for biases. `float_rate` is for layers that stay float, in shares
    of the root mean square of their weight; 0 leaves them as they are. Metrics as `learn_on_pool`, and
    ``weight_displacement``, the root mean square of what the weights moved, in steps of their grids.
    """

    loop: Loop
    bound_rate: float
    weight_rate: float
    float_rate: float
    feature_weight: float
    pool: int
    patch_size: int

    def __post_init__(self) -> None:
        if not min(self.bound_rate, self.weight_rate) > 0.0:
            raise SpecError(
                f"rates of {self.bound_rate} and {self.weight_rate} were asked for; give positive ones, in steps of a "
                "grid."
            )
        if min(self.float_rate, self.feature_weight) < 0.0:
            raise SpecError(
                f"a float rate of {self.float_rate} and a feature weight of {self.feature_weight} were asked for; give "
                "at least 0."
            )

    def __call__(self, job: Job) -> None:
        """Learn in place; the teacher's weights are its own."""
        example = job.patches(1, self.patch_size, job.seed)
        weights = weights_in_steps(job.model)
        vectors = [
            (bounds_in_steps(job.model), self.bound_rate),
            (weights, self.weight_rate),
            (biases_in_steps(job.model), self.weight_rate),
        ]
        # Where everything is quantized no float layer is left.
        if self.float_rate and (floats := floats_in_shares(job.model, example)).parameters:
            vectors.append((floats, self.float_rate))
        groups = [Group(vector, Schedule.COSINE.rate(rate, self.loop.iterations)) for vector, rate in vectors]
        taps = inner_taps(job.model.network, example) if self.feature_weight else ()
        objective = Imitation(self.feature_weight, taps)
        learn_on_pool(job, objective, groups, self.loop, self.pool, self.patch_size, asdict(self))
        job.metrics["weight_displacement"] = weights.displacement()


@dataclass(frozen=True)
class Engrave:
    """Channels equalized, free bounds, least-squares correction, all distilled end to end; each if it helps. Ours.

    No HR picture is used: the target is the float network's output on LR crops. All channels whose scale is free are
    equalized (`OnEqualizedChannels`) and LayerNorms centred, which is exact; `balance` is the share by which
    LayerNorms are scaled once more (`OnBalancedNorms`). The rates are those of `DistillWeights`; `damping` and
    `target` are those of `LeastSquaresMethod`. Folds, bounds and correction see `patches` crops of `patch_size` pixels,
    distillation `pool` crops of `crop_size`. Features count by `feature_weight` (`Imitation`), unlike those of DQC,
    which are numerically zero. Inference costs what 2DQuant's does: same grids, same storage. Cost: a few
    float passes, then steps about as long as those of DQC. Correction and distillation are each taken back if the
    output on fresh crops does not come closer to the float network's (`KeepIfCloser`).
    """

    balance: float = 0.0
    damping: float = 1e-2
    target: Target = Target.ASYMMETRIC
    iterations: int = 3000
    batch: int = 32
    bound_rate: float = 0.01
    weight_rate: float = 0.007
    float_rate: float = 0.001
    feature_weight: float = 0.05
    candidates: int = 64
    patches: int = 32
    patch_size: int = 64
    pool: int = 1024
    crop_size: int = 64

    def steps(self) -> tuple[Step, ...]:
        """Folds, then on folded networks: bounds of least squared error, correction, distillation of all."""
        fitted = LeastSquares(self.damping)
        correct = CorrectWeights(fitted, FreeMse(self.candidates), self.target, self.patches, self.patch_size)
        loop = Loop(self.iterations, self.batch)
        learn = DistillWeights(
            loop,
            bound_rate=self.bound_rate,
            weight_rate=self.weight_rate,
            float_rate=self.float_rate,
            feature_weight=self.feature_weight,
            pool=self.pool,
            patch_size=self.crop_size,
        )
        steps = (
            *Mse(self.candidates, patches=self.patches, patch_size=self.patch_size).steps(),
            KeepIfCloser("correction", correct, self.patches, self.patch_size),
            KeepIfCloser("distillation", learn, self.patches, self.patch_size),
        )
        balanced = OnBalancedNorms(self.balance, self.patches, self.patch_size, steps)
        return (Require(ungrouped=True), OnEqualizedChannels(self.patches, self.patch_size, (balanced,)))
