"""CondiQuant (Liu et al., 2025): weight matrices are made well conditioned, then quantized as by 2DQuant.

Two registry entries: the proximal form, and a projection on a bounded condition number. No code of the paper is public;
the form is derived in docs/methods/condiquant.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from intaglio.methods.base import Step
from intaglio.methods.steps import Require
from intaglio.methods.steps.conditioning import ConditionWeights, Project, Prox
from intaglio.methods.two_d_quant import TwoDQuant


@dataclass(frozen=True)
class CondiQuant:
    """Proximal gradient on every weight matrix, then DOBI and DQC (`TwoDQuant`) against the original float network.

    Minimises ``1/2 tr((W - W0) C (W - W0)^T) + lambda/2 sum_i (s_i - mean(s))^2`` with C the centred covariance of the
    layer's float input and s the singular values. `strength` is lambda over the mean input variance, `gradient_steps`
    the number of proximal gradient steps; both are ours, since the paper states neither. The remaining fields are those
    of `TwoDQuant`.

    Cost: one float pass, a singular value decomposition for each matrix and step, then the cost of 2DQuant.
    """

    strength: float = 3e-2
    gradient_steps: int = 200
    iterations: int = 3000
    batch: int = 32
    learning_rate: float = 1e-2
    feature_weight: float = 5.0
    candidates: int = 100
    patches: int = 32
    patch_size: int = 64
    pool: int = 1024

    def steps(self) -> tuple[Step, ...]:
        """Conditioning, DOBI, DQC."""
        step = ConditionWeights(Prox(self.strength, self.gradient_steps), self.patches, self.patch_size)
        return (Require(ungrouped=True, taps=True), step, *_then(self).steps())


@dataclass(frozen=True)
class CondiQuantProject:
    """As `CondiQuant`, with a projection on matrices of condition number at most `kappa` in place of the proximal step.

    28 is where the published condition numbers end.
    """

    kappa: float = 28.0
    gradient_steps: int = 200
    iterations: int = 3000
    batch: int = 32
    learning_rate: float = 1e-2
    feature_weight: float = 5.0
    candidates: int = 100
    patches: int = 32
    patch_size: int = 64
    pool: int = 1024

    def steps(self) -> tuple[Step, ...]:
        """Conditioning, DOBI, DQC."""
        step = ConditionWeights(Project(self.kappa, self.gradient_steps), self.patches, self.patch_size)
        return (Require(ungrouped=True, taps=True), step, *_then(self).steps())


def _then(method: CondiQuant | CondiQuantProject) -> TwoDQuant:
    return TwoDQuant(
        iterations=method.iterations,
        batch=method.batch,
        learning_rate=method.learning_rate,
        feature_weight=method.feature_weight,
        candidates=method.candidates,
        patches=method.patches,
        patch_size=method.patch_size,
        pool=method.pool,
    )
