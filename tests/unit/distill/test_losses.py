"""Losses against plain loops, and against the released code's broadcast carried out in full."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from intaglio.distill import DistillConfig, FeatureLoss, OutputScale
from intaglio.distill.dqc import DqcObjective
from intaglio.distill.losses import feature_loss, output_loss, relative_feature_loss, released_feature_loss
from intaglio.distill.teacher import Target

EPSILON = 2.0**-23
few = settings(max_examples=30, deadline=None)


@st.composite
def features(draw: st.DrawFn) -> tuple[list[Tensor], list[Tensor]]:
    """One to three taps of a student and a teacher, batch first, of three or four axes."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    batch = draw(st.integers(1, 4))
    shapes = [
        (batch, *draw(st.lists(st.integers(1, 5), min_size=2, max_size=3))) for _ in range(draw(st.integers(1, 3)))
    ]
    scale = 10.0 ** draw(st.integers(-2, 2))
    student, teacher = ([scale * torch.randn(shape, generator=generator) for shape in shapes] for _ in range(2))
    return student, teacher


def equation_5(student: list[Tensor], teacher: list[Tensor]) -> float:
    """Sample by sample, element by element."""
    total = 0.0
    for ours, theirs in zip(student, teacher, strict=True):
        for f, g in zip(theirs.double(), ours.double(), strict=True):
            pairs = list(zip(f.flatten().tolist(), g.flatten().tolist(), strict=True))
            f_norm, g_norm = math.sqrt(sum(a * a for a, _ in pairs)), math.sqrt(sum(b * b for _, b in pairs))
            distance = math.sqrt(sum((a / f_norm - b / g_norm) ** 2 for a, b in pairs))
            total += distance / f.numel() / len(ours)
    return total


def released(student: list[Tensor], teacher: list[Tensor]) -> float:
    """The release's array of shape (N, N, ...), as its broadcast builds it: averaged, divided by its size."""
    total = 0.0
    for ours, theirs in zip(student, teacher, strict=True):
        ones = (1,) * (ours.dim() - 1)
        f, g = theirs.double(), ours.double()
        f_norms, g_norms = (x.flatten(1).norm(dim=1).view(-1, 1, *ones) for x in (f, g))
        difference = f / f_norms - g / g_norms
        assert difference.shape == (len(f), *f.shape)
        total += float(difference.square().mean()) / difference.numel()
    return total


@few
@given(features())
def test_feature_loss_is_equation_5(case: tuple[list[Tensor], list[Tensor]]) -> None:
    student, teacher = case
    # a distance of unit vectors of at most 125 elements, summed in single precision
    assert float(feature_loss(student, teacher)) == pytest.approx(equation_5(student, teacher), rel=1e-4, abs=1e-6)


@few
@given(features())
def test_released_loss_is_its_broadcast_without_the_array(case: tuple[list[Tensor], list[Tensor]]) -> None:
    student, teacher = case
    oracle = released(student, teacher)
    # computed in double precision from sums that may cancel, then rounded once to single
    assert float(released_feature_loss(student, teacher)) == pytest.approx(oracle, rel=2 * EPSILON, abs=1e-14)


@few
@given(features())
def test_both_vanish_where_student_and_teacher_agree(case: tuple[list[Tensor], list[Tensor]]) -> None:
    _, teacher = case
    assert float(feature_loss(teacher, teacher)) == 0.0
    assert abs(float(released_feature_loss(teacher, teacher))) <= 1e-14


def test_a_dead_feature_gives_no_nan() -> None:
    dead, alive = torch.zeros(2, 3, 4, requires_grad=True), torch.randn(2, 3, 4)
    loss = feature_loss([dead], [alive])
    assert bool(loss.isfinite())


def test_gradients_flow_to_the_student() -> None:
    student = [torch.randn(2, 3, 4, 4, requires_grad=True)]
    teacher = [torch.randn(2, 3, 4, 4)]
    for loss in (feature_loss, released_feature_loss):
        (grad,) = torch.autograd.grad(loss(student, teacher), student)
        assert float(grad.abs().sum()) > 0


@few
@given(st.integers(0, 2**31))
def test_output_loss_is_the_mean_absolute_difference(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    a, b = (torch.randn(2, 3, 5, 4, generator=generator) for _ in range(2))
    oracle = sum(abs(x - y) for x, y in zip(a.flatten().tolist(), b.flatten().tolist(), strict=True)) / a.numel()
    assert float(output_loss(a, b)) == pytest.approx(oracle, rel=a.numel() * EPSILON)


@pytest.mark.parametrize("scale", OutputScale)
@pytest.mark.parametrize("feature", FeatureLoss)
def test_the_objective_adds_what_its_configuration_names(scale: OutputScale, feature: FeatureLoss) -> None:
    output, answer, tap, wanted = (torch.randn(2, 3, 4, 5) for _ in range(4))
    target = Target(answer, (wanted,))
    expected = output_loss(output, answer) / (3 * 4 * 5 if scale is OutputScale.PER_ELEMENT else 1)
    if feature is FeatureLoss.PAPER:
        expected = expected + 7.0 * feature_loss([tap], [wanted])
    elif feature is FeatureLoss.RELEASE:
        expected = expected + 7.0 * released_feature_loss([tap], [wanted])
    objective = DqcObjective(scale, feature, 7.0, ("tap",))
    assert torch.equal(objective(output, [tap], target), expected)


def test_beside_the_output_loss_both_feature_losses_are_numerically_zero() -> None:
    """docs/methods/2dquant.md: with 10 % feature error, at the size of SwinIR-light's features."""
    generator = torch.Generator().manual_seed(0)
    teacher = [torch.randn(4, 64 * 64, 60, generator=generator)]
    student = [teacher[0] + 0.1 * torch.randn(teacher[0].shape, generator=generator)]
    config = DistillConfig()
    assert config.feature_weight * float(feature_loss(student, teacher)) < 1e-5
    assert float(released_feature_loss(student, teacher)) < 1e-12


@few
@given(features(), st.floats(0.01, 100.0))
def test_the_relative_loss_is_that_of_plain_loops_in_any_unit(
    case: tuple[list[Tensor], list[Tensor]], unit: float
) -> None:
    student, teacher = case
    shares = []
    for ours, theirs in zip(student, teacher, strict=True):
        f, g = theirs.double().flatten().tolist(), ours.double().flatten().tolist()
        mean = sum(f) / len(f)
        variance = sum((value - mean) ** 2 for value in f) / len(f)
        error = sum((a - b) ** 2 for a, b in zip(f, g, strict=True)) / len(f)
        shares.append(math.sqrt(error / variance) if len(f) > 1 else 0.0)
    expected = sum(shares) / len(shares)
    # a variance of at most 625 values in single precision, of which two may be nearly alike
    assert float(relative_feature_loss(student, teacher)) == pytest.approx(expected, rel=1e-3, abs=1e-5)
    scaled = [[unit * x for x in side] for side in case]
    assert float(relative_feature_loss(*scaled)) == pytest.approx(expected, rel=1e-3, abs=1e-5)


def test_the_relative_loss_has_a_slope_where_nothing_varies_or_differs() -> None:
    ours = [torch.ones(2, 3, requires_grad=True), torch.arange(6.0).requires_grad_()]
    relative_feature_loss(ours, [torch.ones(2, 3), torch.arange(6.0)]).backward()
    assert ours[0].grad is None
    assert ours[1].grad is not None
    assert ours[1].grad.abs().max() < 1.0
