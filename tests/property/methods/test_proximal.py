"""The proximal step on singular values: its three forms agree, it minimises what it says, it conditions."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from intaglio.methods.steps.proximal import (
    condition_number,
    newton_schulz,
    polar_factor,
    project,
    prox,
    prox_by_factor,
)

TAU = st.sampled_from((0.0, 1e-6, 0.03, 1.0, 50.0))


@st.composite
def matrices(draw: st.DrawFn) -> Tensor:
    """Full rank, condition number up to 1e3, any orientation."""
    rows, columns = draw(st.integers(1, 7)), draw(st.integers(1, 7))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**20)))
    weight = torch.randn(rows, columns, generator=generator, dtype=torch.float64)
    left, values, right = torch.linalg.svd(weight, full_matrices=False)
    return (left * (values + 1e-3 * values[0])) @ right


def objective(candidate: Tensor, weight: Tensor, tau: float) -> float:
    values = torch.linalg.svdvals(candidate)
    return float(0.5 * (candidate - weight).square().sum() + tau * 0.5 * (values - values.mean()).square().sum())


@settings(deadline=None)
@given(weight=matrices(), tau=TAU)
def test_three_forms_of_the_proximal_step_agree(weight: Tensor, tau: float) -> None:
    by_values = prox(weight, tau)
    scale = weight.abs().max().item()
    for factor in (polar_factor(weight), newton_schulz(weight)):
        torch.testing.assert_close(prox_by_factor(weight, factor, tau), by_values, rtol=0, atol=1e-12 * scale)


@settings(deadline=None)
@given(weight=matrices(), tau=TAU)
def test_mean_singular_value_stays_and_condition_never_rises(weight: Tensor, tau: float) -> None:
    moved = prox(weight, tau)
    before, after = torch.linalg.svdvals(weight), torch.linalg.svdvals(moved)
    torch.testing.assert_close(after.mean(), before.mean(), rtol=1e-12, atol=0)
    assert condition_number(moved) <= condition_number(weight) * (1 + 1e-9)
    if tau == 0.0:
        torch.testing.assert_close(moved, weight, rtol=0, atol=1e-12 * before[0].item())


@settings(deadline=None)
@given(weight=matrices(), tau=TAU, size=st.sampled_from((1e-4, 1e-2, 1.0)), seed=st.integers(0, 999))
def test_no_perturbation_lowers_the_proximal_objective(weight: Tensor, tau: float, size: float, seed: int) -> None:
    found = prox(weight, tau)
    noise = torch.randn(weight.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    least = objective(found, weight, tau)
    assert objective(found + size * noise, weight, tau) >= least * (1 - 1e-12) - 1e-15


@settings(deadline=None)
@given(weight=matrices(), kappa=st.sampled_from((1.0, 2.0, 28.0)), seed=st.integers(0, 999))
def test_projection_is_the_nearest_well_conditioned_matrix(weight: Tensor, kappa: float, seed: int) -> None:
    found = project(weight, kappa)
    assert condition_number(found) <= kappa * (1 + 1e-9)
    distance = (found - weight).norm().item()
    generator = torch.Generator().manual_seed(seed)
    other = project(found + 0.1 * torch.randn(weight.shape, generator=generator, dtype=torch.float64), kappa)
    # Bisection to 2^-60 of the largest singular value; sums of squares round at 1e-16 of their size.
    assert (other - weight).norm().item() >= distance * (1 - 1e-9) - 1e-12 * weight.norm().item()
    if condition_number(weight) <= kappa:
        torch.testing.assert_close(found, weight, rtol=0, atol=1e-12 * weight.abs().max().item())


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (1, 1)])
def test_zero_matrix_stays_and_is_called_well_conditioned(shape: tuple[int, int]) -> None:
    zero = torch.zeros(shape, dtype=torch.float64)
    assert condition_number(zero) == 1.0
    for moved in (prox(zero, 1.0), project(zero, 2.0), newton_schulz(zero)):
        assert torch.equal(moved, zero)


def test_singular_matrix_has_a_finite_condition_number_that_the_step_lowers() -> None:
    singular = torch.diag(torch.tensor([4.0, 2.0, 0.0], dtype=torch.float64))
    assert 1e15 < condition_number(singular) < 1e16
    assert condition_number(prox(singular, 1.0)) == pytest.approx(3.0)
