"""Closed-form weight correction as methods: `ridge` and `least-squares`, on their own or before distillation.

Ours (docs/methods/least-squares.md): no paper states them in this form for super-resolution. The algebra is in
`steps/correction.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from intaglio.distill import DistillConfig
from intaglio.methods.base import Step
from intaglio.methods.steps import Distill, KeepIfCloser, Require
from intaglio.methods.steps.correct_weights import CorrectWeights, Target
from intaglio.methods.steps.correction import Correction, LeastSquares, Ridge
from intaglio.methods.two_d_quant import Dobi
from intaglio.observe import TwoSidedMse


@dataclass(frozen=True)
class RidgeMethod:
    """DOBI; then ``W = W0 C (C + sigma^2 I)^-1`` layer by layer; then DOBI for the new weights; then DQC if asked for.

    C is the covariance of a layer's target input, sigma^2 the theoretical noise of its quantizer. `target` says whether
    that input is the float network's or the quantized network's own before the quantizer. The bias makes the mean
    output right. `iterations` of DQC follow with the settings of `TwoDQuant`; none by default. Cost: three float passes
    without DQC.
    """

    target: Target = Target.SYMMETRIC
    iterations: int = 0
    batch: int = 32
    learning_rate: float = 1e-2
    feature_weight: float = 5.0
    candidates: int = 100
    patches: int = 32
    patch_size: int = 64
    pool: int = 1024

    def steps(self) -> tuple[Step, ...]:
        """DOBI, correction, and DQC unless `iterations` is 0."""
        return _steps(self, _correct(self, Ridge()))


@dataclass(frozen=True)
class LeastSquaresMethod:
    """DOBI; then each weight is the least squares fit on its quantized inputs; then DOBI for it; then DQC if asked for.

    `damping` times the mean input variance pulls towards the original weight. With the asymmetric `target`, the
    default, a layer is fitted to the float network's output and so also makes up for the layers before it. Otherwise as
    `RidgeMethod`. The correction is taken back if the output on fresh crops does not come closer to the float network's
    (`KeepIfCloser`): what is right for each layer can be wrong for the output, by 5 dB on a network with a post-norm
    stream.
    """

    damping: float = 1e-2
    target: Target = Target.ASYMMETRIC
    iterations: int = 0
    batch: int = 32
    learning_rate: float = 1e-2
    feature_weight: float = 5.0
    candidates: int = 100
    patches: int = 32
    patch_size: int = 64
    pool: int = 1024

    def steps(self) -> tuple[Step, ...]:
        """DOBI, correction, and DQC unless `iterations` is 0."""
        corrected = _correct(self, LeastSquares(self.damping))
        return _steps(self, KeepIfCloser("correction", corrected, self.patches, self.patch_size))


def _correct(method: RidgeMethod | LeastSquaresMethod, correction: Correction) -> CorrectWeights:
    search = TwoSidedMse(method.candidates)
    return CorrectWeights(correction, search, method.target, method.patches, method.patch_size)


def _steps(method: RidgeMethod | LeastSquaresMethod, correct: Step) -> tuple[Step, ...]:
    dobi = Dobi(method.candidates, method.patches, method.patch_size)
    steps: tuple[Step, ...] = (Require(ungrouped=True, taps=method.iterations > 0), *dobi.steps(), correct)
    if method.iterations == 0:
        return steps
    config = DistillConfig(
        iterations=method.iterations,
        batch=method.batch,
        learning_rate=method.learning_rate,
        feature_weight=method.feature_weight,
    )
    return (*steps, Distill(config, method.pool, method.patch_size))
