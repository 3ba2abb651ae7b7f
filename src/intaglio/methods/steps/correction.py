"""Closed-form weight correction for quantized inputs: ridge and least squares, as pure functions of second moments.

Derived in docs/methods/least-squares.md; relatives are ERQ and HarmoQ's residual calibration. The step that applies
them is in `correct_weights.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from intaglio.errors import SpecError
from intaglio.observe.moments import Moments

Matrix = Float64[Tensor, "out k"]


@dataclass(frozen=True)
class PairedMoments:
    """Moments of N rows of target inputs x (N, C) and of the quantized inputs x_q that the layer will receive instead.

    Covariances are centred and divided by N; `cross` is cov(x, x_q) with x in its rows. `noise` is the variance that
    the input's quantizer adds in theory: step^2 / 12 plus the mean squared clipping error.
    """

    mean: Float64[Tensor, " k"]
    mean_quantized: Float64[Tensor, " k"]
    covariance: Float64[Tensor, "k k"]
    cross: Float64[Tensor, "k k"]
    covariance_quantized: Float64[Tensor, "k k"]
    noise: float

    @classmethod
    def of(cls, joint: Moments, noise: float) -> PairedMoments:
        """From the moments of rows that hold x and x_q side by side."""
        half = len(joint.mean) // 2
        covariance = joint.covariance
        return cls(
            mean=joint.mean[:half],
            mean_quantized=joint.mean[half:],
            covariance=covariance[:half, :half],
            cross=covariance[:half, half:],
            covariance_quantized=covariance[half:, half:],
            noise=noise,
        )

    def bias_shift(self, before: Matrix, after: Matrix) -> Float64[Tensor, " out"]:
        """What the bias must gain for the mean output to be that of `before` on the target inputs."""
        return before @ self.mean - after @ self.mean_quantized

    def output_error(self, before: Matrix, after: Matrix) -> Float64[Tensor, ""]:
        """Mean squared difference of ``after x_q`` and ``before x``, each around its mean, summed over outputs."""
        return (
            _trace(after, self.covariance_quantized, after)
            - 2.0 * _trace(before, self.cross, after)
            + self.output_energy(before)
        )

    def output_energy(self, before: Matrix) -> Float64[Tensor, ""]:
        """Variance of the target output ``before x``, summed over outputs."""
        return _trace(before, self.covariance, before)


def _trace(left: Matrix, middle: Float64[Tensor, "k k"], right: Matrix) -> Float64[Tensor, ""]:
    return ((left @ middle) * right).sum()


@dataclass(frozen=True)
class Ridge:
    """``W = W0 C (C + sigma^2 I)^-1``: shrinks what the quantizer's noise would drown.

    Minimises the expected output error under noise of variance sigma^2, independent of x. C is the covariance of the
    target inputs, sigma^2 is `noise` of the moments. The weight stays where inputs neither vary nor carry noise.
    """

    def __call__(self, weight: Matrix, moments: PairedMoments) -> Matrix:
        """The corrected weight, shape of `weight`."""
        if moments.noise <= 0.0:
            return weight
        identity = torch.eye(weight.shape[1], dtype=weight.dtype, device=weight.device)
        noisy = moments.covariance + moments.noise * identity
        # C (C + s I)^-1 = I - s (C + s I)^-1
        shrunk: Tensor = weight - moments.noise * _solve_right(weight, noisy)
        return shrunk


@dataclass(frozen=True)
class LeastSquares:
    """``W = (W0 C_x + eps W0) (C_q + eps I)^-1``: least output error on the quantized inputs, shrunk towards W0.

    Minimises ``||W (x_q - mean) - W0 (x - mean)||^2 + eps ||W - W0||^2`` with eps = `damping` times the mean variance
    of x_q, so that directions without data keep their weights. Computed as ``W0 + W0 (C_x - C_q) (C_q + eps I)^-1``:
    with x_q = x, W0 itself.
    """

    damping: float = 1e-2

    def __post_init__(self) -> None:
        if not self.damping > 0.0:
            raise SpecError(f"a damping of {self.damping} was asked for; give a positive one, about 1e-3 to 1e-1.")

    def __call__(self, weight: Matrix, moments: PairedMoments) -> Matrix:
        """The corrected weight, shape of `weight`; the weight itself where the quantized inputs never vary."""
        eps = self.damping * float(moments.covariance_quantized.diagonal().mean())
        if eps <= 0.0:
            return weight
        damped = moments.covariance_quantized + eps * torch.eye(
            weight.shape[1], dtype=weight.dtype, device=weight.device
        )
        missing = weight @ (moments.cross - moments.covariance_quantized)
        corrected: Tensor = weight + _solve_right(missing, damped)
        return corrected


def _solve_right(left: Matrix, definite: Float64[Tensor, "k k"]) -> Matrix:
    """``left @ inverse(definite)`` for a symmetric positive definite matrix, by Cholesky."""
    solved: Tensor = torch.cholesky_solve(left.T, torch.linalg.cholesky(definite)).T
    return solved


Correction = Ridge | LeastSquares
