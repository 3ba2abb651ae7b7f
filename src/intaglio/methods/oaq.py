"""OAQ-SR (Wang et al., ICCV 2025): dual-region activation grids, learned in turns under a sensitivity-aware loss.

Two registry entries: with exactly 2^b levels, as the paper writes, and with the released code's 2^(b+1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intaglio.distill import Group, LearnedVector, Loop, StepUnit, cyclic
from intaglio.distill.sensitivity import Normalise, SensitivityObjective, sensitivities, spreads
from intaglio.distill.taps import tapped
from intaglio.errors import MethodError, SpecError
from intaglio.methods.base import Job, Step
from intaglio.methods.steps import Require
from intaglio.methods.steps.dual_region_start import BreakpointAverage, StartDualRegions
from intaglio.methods.steps.learning import learn_on_pool
from intaglio.quant import QuantModel
from intaglio.quant.dual_region import Budget, DualRegionQuantizer
from intaglio.quant.symmetric import SignedRange, SymmetricQuantizer


@dataclass(frozen=True)
class CyclicSettings:
    """Hyper-parameters of the fine-tuning; `decay` multiplies a group's rate after each epoch that trained it."""

    epochs: int
    updates: int
    batch: int
    learning_rate: float
    decay: float
    step_unit: StepUnit
    temperature: float
    normalise: Normalise
    feature_weight: float
    output_weight: float

    def __post_init__(self) -> None:
        self.loop()
        if self.updates < 1 or self.temperature <= 0.0 or self.learning_rate <= 0.0:
            raise SpecError("fine-tuning needs at least 1 update an epoch, a positive temperature and a positive rate.")

    def loop(self) -> Loop:
        """All epochs in a row."""
        return Loop(self.epochs * self.updates, self.batch)


@dataclass(frozen=True)
class CyclicTuning:
    """The step: epochs that train, in turn, weight bounds, activation bounds, and breakpoints, on `pool` crops.

    Features are the outputs of all quantized layers that keep the pictures of a batch in order; sensitivities come
    from the first `pictures` crops of the calibration. Metrics as `learn_on_pool`, and ``sensitivity_max``, the largest
    weight of one layer.
    """

    settings: CyclicSettings
    pool: int
    pictures: int
    patch_size: int

    def __call__(self, job: Job) -> None:
        """Learn all three groups in place."""
        of = self.settings
        taps = tuple(dict.fromkeys(site.path for site in job.model.sites.values() if site.is_weight))
        patches = job.patches(self.pictures, self.patch_size, job.seed)
        taps = orderly(job.teacher, patches[:2], taps)
        weights = sensitivities(spreads(job.teacher, patches, taps), of.temperature, of.normalise)
        job.metrics["sensitivity_max"] = float(weights.max())
        objective = SensitivityObjective(taps, tuple(weights.tolist()), of.feature_weight, of.output_weight)
        vectors = parameter_groups(job.model, of.step_unit)
        groups = [
            Group(vector, cyclic(of.learning_rate, of.decay, of.updates, turn, turns=len(vectors)))
            for turn, vector in enumerate(vectors)
        ]
        learn_on_pool(job, objective, groups, of.loop(), self.pool, self.patch_size, asdict(of))


@torch.no_grad()
def orderly(teacher: nn.Module, patches: Float[Tensor, "n c h w"], taps: Sequence[str]) -> tuple[str, ...]:
    """Those taps whose outputs for a batch are those of its pictures one after the other, as targets are kept.

    Others have the batch in another place than first. Raises: MethodError if none is left.
    """
    with tapped(teacher, taps) as features:
        teacher(patches)
        together = dict(features)
        alone: dict[str, list[Tensor]] = {name: [] for name in taps}
        for patch in torch.split(patches, 1):
            teacher(patch)
            for name in taps:
                alone[name].append(features[name])
    kept = tuple(name for name in taps if _same(together[name], torch.cat(alone[name])))
    if not kept:
        raise MethodError("no quantized layer keeps the pictures of a batch one after the other; choose 'mse'.")
    return kept


def _same(batch: Tensor, joined: Tensor) -> bool:
    """Equal but for rounding, which depends on the size of a batch."""
    return batch.shape == joined.shape and bool((batch - joined).abs().max() <= 1e-3 * batch.abs().max())


def parameter_groups(model: QuantModel, unit: StepUnit) -> tuple[LearnedVector, LearnedVector, LearnedVector]:
    """Weight bounds, activation bounds, breakpoints; relative units are a bound's range, and a breakpoint itself."""
    quantizers = list(dict.fromkeys(model.quantizer(name) for name in model.sites))
    weights = [quantizer for quantizer in quantizers if isinstance(quantizer, SymmetricQuantizer)]
    regions = [quantizer for quantizer in quantizers if isinstance(quantizer, DualRegionQuantizer)]
    ranges = [quantizer.upper - quantizer.lower for quantizer in regions]
    return (
        _vector([quantizer.bound for quantizer in weights], [quantizer.bound for quantizer in weights], unit),
        _vector([bound for q in regions for bound in (q.lower, q.upper)], [r for r in ranges for _ in range(2)], unit),
        _vector([quantizer.breakpoint for quantizer in regions], [quantizer.breakpoint for quantizer in regions], unit),
    )


def _vector(parameters: Sequence[nn.Parameter], relative: Sequence[Tensor], unit: StepUnit) -> LearnedVector:
    units: Sequence[Tensor | float] = relative if unit is StepUnit.RELATIVE else [1.0] * len(parameters)
    return LearnedVector(parameters, units)


@dataclass(frozen=True)
class Oaq:
    """Dual-region grids of exactly 2^b levels, sensitivity-aware fine-tuning, cyclic optimisation (OAQ-SR).

    Start: `percentile` and `ema` over `pictures` crops in batches of `start_batch`; weights symmetric by least squared
    error, `signed` narrow (2^b - 1 levels, zero among them) or full. Fine-tuning: `epochs` of `updates` steps on
    batches of `batch`; epoch 1 trains weight bounds, 2 activation bounds, 3 breakpoints, and so on; loss
    `feature_weight` L_sen + `output_weight` L_rec in grey levels. `temperature` 1 on grey levels is the published
    softmax, nearly one-hot; `normalise` mean makes it free of the range. `step_unit` absolute is the published step of
    1e-3 in the network's own units.

    The last iterate is taken; the release picks an epoch on Set5. Works on transformers too, which the paper does not
    test. Cost: a few float passes and 500 steps. In the integer engine the spacings of the tails are rounded
    (`intaglio.quant.lattice`).
    """

    percentile: float = 0.99
    ema: float = 0.9
    pictures: int = 100
    start_batch: int = 16
    patch_size: int = 96
    signed: SignedRange = SignedRange.NARROW
    epochs: int = 10
    updates: int = 50
    batch: int = 2
    learning_rate: float = 1e-3
    decay: float = 0.9
    step_unit: StepUnit = StepUnit.ABSOLUTE
    temperature: float = 1.0
    normalise: Normalise = Normalise.NONE
    feature_weight: float = 1.0
    output_weight: float = 5.0
    pool: int = 100

    def steps(self) -> tuple[Step, ...]:
        """Start, then fine-tuning."""
        return _steps(self, Budget.EXACT, BreakpointAverage.MOVING)


@dataclass(frozen=True)
class OaqRelease(Oaq):
    """OAQ-SR as its released code quantizes: **2^(b+1) levels** for activations, codes of b + 1 bits. Label it so.

    Differences from `Oaq`: the level budget; the dense grid lies half a step low; breakpoints stay at the first batch;
    weights have 2^b levels without zero; the feature loss weighs 10 times more. Not reproduced: sensitivities of
    layers' inputs in another order than the features they weigh, norms over the whole batch, and the choice of the
    epoch on Set5. Its levels do not ascend with its codes: `lower` refuses them.
    """

    signed: SignedRange = SignedRange.FULL
    feature_weight: float = 10.0

    def steps(self) -> tuple[Step, ...]:
        """Start, then fine-tuning."""
        return _steps(self, Budget.RELEASE, BreakpointAverage.FIRST)


def _steps(method: Oaq, budget: Budget, breakpoints: BreakpointAverage) -> tuple[Step, ...]:
    start = StartDualRegions(
        method.percentile,
        method.ema,
        method.pictures,
        method.start_batch,
        method.patch_size,
        budget,
        method.signed,
        breakpoints,
    )
    settings = CyclicSettings(
        method.epochs,
        method.updates,
        method.batch,
        method.learning_rate,
        method.decay,
        method.step_unit,
        method.temperature,
        method.normalise,
        method.feature_weight,
        method.output_weight,
    )
    tuning = CyclicTuning(settings, method.pool, method.pictures, method.patch_size)
    return (Require(per_tensor=True), start, tuning)
