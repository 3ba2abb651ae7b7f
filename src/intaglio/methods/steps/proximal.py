"""Conditioning of a matrix: condition number, the proximal step on singular values in three forms, a projection.

Pure functions of one matrix (docs/methods/condiquant.md; derived, since no code of CondiQuant is public). The iteration
that uses them is in `conditioning.py`.
"""

from __future__ import annotations

import torch
from jaxtyping import Float64
from torch import Tensor

Matrix = Float64[Tensor, "out in"]

BISECTIONS = 60
"""Halvings of the interval from zero to the largest singular value; double precision has 53 bits."""

NEWTON_SCHULZ_STEPS = 60
"""Enough for condition numbers up to 1e10: a small singular value grows by 1.5 in each step until it is near 1."""


def condition_number(weight: Matrix) -> float:
    """Largest singular value over the smallest; a singular matrix reports 1 / eps, about 4.5e15, a zero matrix 1.

    >>> condition_number(torch.diag(torch.tensor([6.0, 2.0], dtype=torch.float64)))
    3.0
    """
    values = torch.linalg.svdvals(weight)
    largest = float(values[0])
    if largest == 0.0:
        return 1.0
    return largest / max(float(values[-1]), largest * torch.finfo(weight.dtype).eps)


def prox(weight: Matrix, tau: float) -> Matrix:
    """The proximal step of ``G(W) = 1/2 sum_i (s_i - mean(s))^2``, by singular values.

    Every singular value moves towards their mean, ``s_i <- m + (s_i - m) / (1 + tau)``; the singular vectors stay. The
    minimiser of ``1/2 ||V - W||_F^2 + tau G(V)``, unique for W of full rank.

    >>> prox(torch.diag(torch.tensor([6.0, 2.0], dtype=torch.float64)), tau=1.0).diag().tolist()
    [5.0, 3.0]
    """
    left, values, right = torch.linalg.svd(weight, full_matrices=False)
    mean = values.mean()
    moved: Tensor = (left * (mean + (values - mean) / (1.0 + tau))) @ right
    return moved


def polar_factor(weight: Matrix) -> Matrix:
    """The orthogonal factor ``U V^T`` of ``W = U diag(s) V^T``, by singular values."""
    left, _, right = torch.linalg.svd(weight, full_matrices=False)
    factor: Tensor = left @ right
    return factor


def newton_schulz(weight: Matrix, steps: int = NEWTON_SCHULZ_STEPS) -> Matrix:
    """The orthogonal factor by products alone: ``P <- P (3 I - P^T P) / 2`` from W over its Frobenius norm.

    Converges for W of full rank; a zero singular value stays zero, unlike in `polar_factor`.
    """
    factor: Tensor = weight / weight.norm().clamp(min=torch.finfo(weight.dtype).tiny)
    for _ in range(steps):
        # The smaller of the two Gram matrices.
        if factor.shape[0] < factor.shape[1]:
            factor = 1.5 * factor - 0.5 * (factor @ factor.T) @ factor
        else:
            factor = 1.5 * factor - 0.5 * factor @ (factor.T @ factor)
    return factor


def prox_by_factor(weight: Matrix, factor: Matrix, tau: float) -> Matrix:
    """`prox` from the orthogonal factor P alone: ``(W + tau m P) / (1 + tau)`` with ``m = <W, P> / n``."""
    mean = (weight * factor).sum() / min(weight.shape)
    moved: Tensor = (weight + tau * mean * factor) / (1.0 + tau)
    return moved


def project(weight: Matrix, kappa: float) -> Matrix:
    """The nearest matrix (in the Frobenius norm) with a condition number of at most `kappa`.

    ``s_i <- clip(s_i, a, kappa a)`` with the a that makes the squared distance stationary; that condition is monotone
    in a, so bisection finds it. A zero matrix stays as it is.
    """
    left, values, right = torch.linalg.svd(weight, full_matrices=False)
    lowest = _clipping_level(values.tolist(), kappa)
    moved: Tensor = (left * values.clamp(lowest, kappa * lowest)) @ right
    return moved


def _clipping_level(values: list[float], kappa: float) -> float:
    low, high = 0.0, values[0]
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        raised = sum(middle - value for value in values if value < middle)
        lowered = sum(value - kappa * middle for value in values if value > kappa * middle)
        # The derivative of half the squared distance: positive above the minimiser.
        if raised - kappa * lowered > 0.0:
            high = middle
        else:
            low = middle
    return low
