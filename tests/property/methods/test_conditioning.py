"""Proximal gradient on weights: fixed point, limits, and what it leaves alone."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from intaglio.methods.steps.conditioning import Project, Prox, condition_weights
from intaglio.methods.steps.proximal import condition_number, polar_factor, prox
from intaglio.observe.moments import Moments, input_moments
from intaglio.quant import wrap
from intaglio.spec import Coverage, QuantSpec


def matrix(rows: int, columns: int, seed: int) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def covariance(size: int, seed: int) -> Tensor:
    samples = matrix(3 * size, size, seed)
    return samples.T @ samples / len(samples) + 0.2 * torch.eye(size, dtype=torch.float64)


@given(rows=st.integers(1, 6), columns=st.integers(1, 6), seed=st.integers(0, 999), steps=st.integers(0, 9))
def test_without_strength_the_weight_stays(rows: int, columns: int, seed: int, steps: int) -> None:
    weight = matrix(rows, columns, seed)
    assert torch.equal(Prox(0.0, steps)(weight, covariance(columns, seed)), weight)


@settings(deadline=None)
@given(rows=st.integers(1, 6), columns=st.integers(1, 6), seed=st.integers(0, 999))
def test_one_iteration_on_white_inputs_is_the_proximal_step(rows: int, columns: int, seed: int) -> None:
    weight = matrix(rows, columns, seed)
    found = Prox(0.3, 1)(weight, torch.eye(columns, dtype=torch.float64))
    torch.testing.assert_close(found, prox(weight, 0.3), rtol=0, atol=1e-12)


@settings(deadline=None, max_examples=10)
@given(rows=st.integers(2, 6), columns=st.integers(2, 6), seed=st.integers(0, 999))
def test_many_iterations_reach_the_fixed_point(rows: int, columns: int, seed: int) -> None:
    weight, inputs = matrix(rows, columns, seed), covariance(columns, seed + 1)
    strength = 0.5
    found = Prox(strength, 500)(weight, inputs)
    mean = torch.linalg.svdvals(found).mean()
    slope = strength * inputs.diagonal().mean() * (found - mean * polar_factor(found))
    torch.testing.assert_close((found - weight) @ inputs, -slope, rtol=0, atol=1e-6)
    assert condition_number(found) <= condition_number(weight) * (1 + 1e-9)


@pytest.mark.parametrize("conditioner", [Prox(0.1, 5), Project(2.0, 5)])
def test_inputs_that_never_vary_leave_the_weight_alone(conditioner: Prox | Project) -> None:
    weight = matrix(4, 3, seed=0)
    assert torch.equal(conditioner(weight, torch.zeros(3, 3, dtype=torch.float64)), weight)


@given(first=st.integers(1, 5), second=st.integers(1, 5), seed=st.integers(0, 999))
def test_merged_moments_are_those_of_all_rows(first: int, second: int, seed: int) -> None:
    rows = matrix(first + second, 3, seed) + 5.0
    merged = Moments.of(rows[:first]).merged(Moments.of(rows[first:]))
    whole = Moments.of(rows)
    assert merged.count == whole.count
    torch.testing.assert_close(merged.mean, whole.mean, rtol=1e-12, atol=0)
    torch.testing.assert_close(merged.covariance, whole.covariance, rtol=1e-11, atol=1e-12)


class Toy(nn.Module):
    """A strided convolution and a linear layer without bias after it."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.conv = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.linear = nn.Linear(4, 3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.linear(self.conv(x).movedim(1, -1)).movedim(-1, 1)
        return out


def test_every_matrix_is_reported_and_the_mean_output_stays() -> None:
    torch.manual_seed(0)
    x = torch.rand(4, 3, 9, 8)
    model = wrap(Toy(), QuantSpec(4, 4, Coverage.FULL))
    before = model(x)
    moments = input_moments(model, torch.split(x, 3))
    visited: list[int] = []
    report = condition_weights(model, moments, Prox(1.0, 20), on_site=lambda: visited.append(1))
    assert [row.site for row in report] == [name for name, site in model.sites.items() if site.is_weight]
    assert len(visited) == len(report) == 2
    for row in report:
        assert row.kappa_after < row.kappa_before
        assert 0.0 < row.output_error < 1.0
    # The output is affine in the input, so that the bias correction keeps its mean, to single precision.
    torch.testing.assert_close(model(x).mean((0, 2, 3)), before.mean((0, 2, 3)), rtol=0, atol=1e-5)


def test_moments_of_a_convolution_are_those_of_its_unfolded_input() -> None:
    torch.manual_seed(1)
    x = torch.rand(2, 3, 7, 6)
    model = wrap(Toy(), QuantSpec(4, 4, Coverage.FULL))
    found = input_moments(model, [x])["conv:weight"]
    columns = nn.functional.unfold(x, 3, padding=1, stride=2).transpose(1, 2).reshape(-1, 27).double()
    torch.testing.assert_close(found.mean, columns.mean(0))
    torch.testing.assert_close(found.covariance, torch.cov(columns.T, correction=0))
