"""Making weight matrices well conditioned at little cost in their outputs: the step of CondiQuant, with a report.

The steps on singular values are in `proximal.py`, the activations' statistics in `intaglio.observe.moments`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from intaglio.errors import SpecError
from intaglio.methods.base import Job
from intaglio.methods.steps.proximal import Matrix, condition_number, project, prox
from intaglio.observe.collect import own_crops
from intaglio.observe.moments import Moments, input_moments
from intaglio.quant import QuantModel
from intaglio.quant.editing import edit_weight, weight_matrix
from intaglio.spec import SiteName

Covariance = Float64[Tensor, "in in"]


@dataclass(frozen=True)
class Conditioned:
    """What the step did to one matrix.

    `kappa_before`, `kappa_after`: condition numbers. `output_error`: mean squared change of the output over the
    variance of the output, both over the calibration rows and after the bias is corrected.
    """

    site: SiteName
    kappa_before: float
    kappa_after: float
    output_error: float


@dataclass(frozen=True)
class Prox:
    """Proximal gradient: ``W <- prox_tau(W - eta (W - W0) C)``, `iterations` times.

    eta is 1 / lambda_max(C); lambda is `strength` times the mean variance of the inputs, trace(C) / dim; tau = eta
    lambda. The fixed point ``(W - W0) C + lambda grad G(W) = 0`` does not depend on eta.
    """

    strength: float
    iterations: int

    def __post_init__(self) -> None:
        if self.strength < 0.0 or self.iterations < 0:
            raise SpecError(
                f"strength {self.strength} and {self.iterations} iterations were asked for; give at least 0."
            )

    def __call__(self, weight: Matrix, covariance: Covariance) -> Matrix:
        """The conditioned weight; the weight itself where the inputs never vary."""
        tau = self.strength * float(covariance.diagonal().mean())
        return _iterate(
            weight, covariance, self.iterations, lambda moved, eta: prox(moved, eta * tau) if tau else moved
        )


@dataclass(frozen=True)
class Project:
    """Projected gradient: as `Prox`, with a projection on condition numbers of at most `kappa` as the second half."""

    kappa: float
    iterations: int

    def __post_init__(self) -> None:
        if self.kappa < 1.0 or self.iterations < 0:
            raise SpecError(f"a condition number of {self.kappa} was asked for; give at least 1.")

    def __call__(self, weight: Matrix, covariance: Covariance) -> Matrix:
        """The conditioned weight; the weight itself where the inputs never vary."""
        return _iterate(weight, covariance, self.iterations, lambda moved, eta: project(moved, self.kappa))


Conditioner = Prox | Project


def _iterate(start: Matrix, covariance: Covariance, iterations: int, step: Callable[[Matrix, float], Matrix]) -> Matrix:
    largest = float(torch.linalg.eigvalsh(covariance)[-1])
    if largest <= 0.0:
        return start
    eta = 1.0 / largest
    weight = start
    for _ in range(iterations):
        weight = step(weight - eta * (weight - start) @ covariance, eta)
    return weight


def condition_weights(
    model: QuantModel, moments: dict[SiteName, Moments], conditioner: Conditioner, on_site: Callable[[], None]
) -> tuple[Conditioned, ...]:
    """Condition every weight matrix of a model in place, each by itself, and say what it did.

    The bias takes up the change of the mean output, ``b' = b + (W0 - W) mean(x)``, so that only the variation of the
    inputs counts. q, k and v are three matrices with one covariance.
    """
    report = []
    for name, of_input in moments.items():
        site = model.sites[name]
        before = weight_matrix(model, site)
        after = conditioner(before, of_input.covariance)
        edit_weight(model, site, after, (before - after) @ of_input.mean)
        error = _relative_error(before, after, of_input.covariance)
        report.append(Conditioned(name, condition_number(before), condition_number(after), error))
        on_site()
    return tuple(report)


def _relative_error(before: Matrix, after: Matrix, covariance: Covariance) -> float:
    difference = after - before
    change = float(((difference @ covariance) * difference).sum())
    energy = float(((before @ covariance) * before).sum())
    return change / energy if energy > 0.0 else 0.0


@dataclass(frozen=True)
class ConditionWeights:
    """The step: statistics of float inputs over `patches` crops of `patch_size`, then every matrix is conditioned.

    Adds the metrics ``kappa_before_median``, ``kappa_before_max``, ``kappa_after_median``, ``kappa_after_max`` and
    ``condition_error_median``, ``condition_error_max`` (see `Conditioned`).
    """

    conditioner: Conditioner
    patches: int
    patch_size: int

    def __call__(self, job: Job) -> None:
        """Edit all weights; must come before bounds are fitted."""
        patches = job.patches(self.patches, self.patch_size, job.seed)
        moments = input_moments(job.model, torch.split(own_crops(patches), 1))
        with job.progress.stage("conditioning", len(moments)) as advance:
            report = condition_weights(job.model, moments, self.conditioner, on_site=lambda: advance(""))
        columns = {
            "kappa_before": [row.kappa_before for row in report],
            "kappa_after": [row.kappa_after for row in report],
            "condition_error": [row.output_error for row in report],
        }
        for key, values in columns.items():
            job.metrics[f"{key}_median"] = float(np.median(values))
            job.metrics[f"{key}_max"] = float(np.max(values))
