"""Closed-form correction: optimal for what it says, the identity where nothing is wrong, finite where data is poor."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from intaglio.methods.steps.correction import Correction, LeastSquares, PairedMoments, Ridge
from intaglio.observe.moments import Moments

SIZES = st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(2, 40), st.integers(0, 999))


def problem(sizes: tuple[int, int, int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """A weight, correlated inputs of any rank, and a coarse rounding of them."""
    out, inputs, count, seed = sizes
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    x = normal(count, inputs) @ normal(inputs, inputs) + normal(inputs)
    return normal(out, inputs), x, x.round()


def moments(x: Tensor, x_q: Tensor, noise: float = 0.1) -> PairedMoments:
    return PairedMoments.of(Moments.of(torch.cat([x, x_q], 1)), noise)


@settings(deadline=None)
@given(sizes=SIZES, size=st.sampled_from((1e-3, 0.1)), seed=st.integers(0, 999))
def test_no_perturbation_lowers_the_least_squares_objective(
    sizes: tuple[int, int, int, int], size: float, seed: int
) -> None:
    weight, x, x_q = problem(sizes)
    of = moments(x, x_q)
    found = LeastSquares(0.05)(weight, of)
    eps = 0.05 * float(of.covariance_quantized.diagonal().mean())

    def objective(candidate: Tensor) -> float:
        return float(of.output_error(weight, candidate) + eps * (candidate - weight).square().sum())

    noise = torch.randn(weight.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    least = objective(found)
    assert objective(found + size * noise) >= least - 1e-12 * max(1.0, abs(least))


@settings(deadline=None)
@given(sizes=SIZES)
def test_least_squares_on_unquantized_inputs_is_the_identity(sizes: tuple[int, int, int, int]) -> None:
    weight, x, _ = problem(sizes)
    of = moments(x, x)
    found = LeastSquares()(weight, of)
    # The two covariances are one matrix but for the order in which a blocked product sums.
    torch.testing.assert_close(found, weight, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(of.bias_shift(weight, found), torch.zeros(len(weight)).double(), rtol=0, atol=1e-9)


@settings(deadline=None)
@given(sizes=SIZES, damping=st.sampled_from((1e-3, 1e-2, 1.0)))
def test_mean_output_is_right_and_error_no_larger_after_correction(
    sizes: tuple[int, int, int, int], damping: float
) -> None:
    weight, x, x_q = problem(sizes)
    of = moments(x, x_q)
    found = LeastSquares(damping)(weight, of)
    shift = of.bias_shift(weight, found)
    outputs, wanted = x_q @ found.T + shift, x @ weight.T
    torch.testing.assert_close(outputs.mean(0), wanted.mean(0), rtol=1e-9, atol=1e-9)
    error = (outputs - wanted).square().sum(1).mean()
    torch.testing.assert_close(error, of.output_error(weight, found), rtol=1e-6, atol=1e-9)
    assert error <= of.output_error(weight, weight) * (1 + 1e-9) + 1e-12


@settings(deadline=None)
@given(
    sizes=SIZES, noise=st.sampled_from((1e-4, 0.1, 10.0)), size=st.sampled_from((1e-3, 0.1)), seed=st.integers(0, 99)
)
def test_ridge_is_optimal_under_independent_noise(
    sizes: tuple[int, int, int, int], noise: float, size: float, seed: int
) -> None:
    weight, x, _ = problem(sizes)
    of = moments(x, x, noise)
    found = Ridge()(weight, of)

    def expected(candidate: Tensor) -> float:
        return float(of.output_error(weight, candidate) + noise * candidate.square().sum())

    other = torch.randn(weight.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    least = expected(found)
    assert expected(found + size * other) >= least - 1e-12 * max(1.0, abs(least))


@pytest.mark.parametrize("correction", [Ridge(), LeastSquares()])
@pytest.mark.parametrize("kind", ["constant", "dead channel", "one row"])
def test_poor_data_leaves_finite_weights(correction: Correction, kind: str) -> None:
    weight, x, x_q = problem((3, 4, 10, 1))
    if kind == "constant":
        x = x_q = torch.full_like(x, 0.3)
    elif kind == "dead channel":
        x[:, 1] = x_q[:, 1] = 0.0
    else:
        x, x_q = x[:1], x_q[:1]
    of = moments(x, x_q)
    found = correction(weight, of)
    assert torch.isfinite(found).all()
    assert torch.isfinite(of.bias_shift(weight, found)).all()
    if kind == "dead channel" and isinstance(correction, LeastSquares):
        torch.testing.assert_close(found[:, 1], weight[:, 1], rtol=0, atol=1e-10)
