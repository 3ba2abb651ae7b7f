"""Learning rates and learned vectors as functions, against their definitions."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from intaglio.arch.examples import random_network
from intaglio.distill import LearnedVector, Schedule, StepUnit, bounds_vector, cosine, cyclic
from intaglio.quant import wrap
from intaglio.spec import Bounds, QuantSpec

few = settings(max_examples=40, deadline=None)
STEPS = st.integers(1, 300)


@few
@given(st.floats(1e-5, 1.0), st.floats(0.0, 1e-6), st.integers(0, 50), STEPS)
def test_cosine_falls_from_first_towards_last_and_rests_outside(
    first: float, last: float, begin: int, steps: int
) -> None:
    rate = cosine(first, last, begin, steps)
    rates = [rate(step) for step in range(begin, begin + steps)]
    assert rates[0] == pytest.approx(first, rel=1e-12)
    assert rates == sorted(rates, reverse=True)
    # halfway between first and middle steps the curve is point-symmetric
    middle = (first + last) / 2
    assert all(r == pytest.approx(2 * middle - mirrored) for r, mirrored in zip(rates[1:], rates[:0:-1], strict=True))
    assert rate(begin - 1) is None
    assert rate(begin + steps) is None


def test_schedules_of_the_two_variants() -> None:
    assert [Schedule.COSINE.rate(0.01, 4)(step) for step in range(4)] == pytest.approx(
        [0.005 * (1 + math.cos(math.pi * step / 4)) for step in range(4)]
    )
    assert {Schedule.CONSTANT.rate(0.01, 4)(step) for step in range(100)} == {0.01}


@few
@given(st.integers(1, 6), st.integers(1, 4), st.floats(0.1, 1.0))
def test_exactly_one_group_of_a_cycle_learns_at_every_step(updates: int, turns: int, decay: float) -> None:
    rates = [cyclic(1.0, decay, updates, turn, turns) for turn in range(turns)]
    for step in range(3 * turns * updates):
        active = [turn for turn, rate in enumerate(rates) if rate(step) is not None]
        assert active == [step // updates % turns]
        assert rates[active[0]](step) == pytest.approx(decay ** (step // updates // turns))


@few
@given(st.integers(0, 2**31), st.booleans())
def test_a_learned_vector_follows_the_chain_rule(seed: int, scaled: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    parameters = [nn.Parameter(torch.randn(shape, generator=generator)) for shape in ((), (3, 1), (2, 2))]
    starts = [parameter.detach().clone() for parameter in parameters]
    units = [2.0, torch.tensor([[0.5], [1.0], [4.0]]), torch.tensor(0.25)]
    scales = [1.0, 0.5, 3.0] if scaled else None
    vector = LearnedVector(parameters, units, scales)
    with torch.no_grad():
        vector.values.copy_(torch.randn(vector.values.shape, generator=generator))
    vector.write()
    pieces = torch.split(vector.values.detach(), [1, 3, 4])
    for parameter, start, unit, piece in zip(parameters, starts, units, pieces, strict=True):
        assert torch.equal(parameter, start + torch.as_tensor(unit) * piece.view_as(start))
    sum((parameter.square() * 3).sum() for parameter in parameters).backward()
    vector.take_gradient()
    for index, piece in enumerate(torch.split(vector.values.grad, [1, 3, 4])):
        slope = torch.as_tensor(units[index]) * (scales[index] if scales else 1.0)
        # 6 x times slope, each product rounded once
        assert torch.allclose(piece.view_as(starts[index]), 6 * parameters[index].detach() * slope, rtol=4 * 2.0**-24)
        assert parameters[index].grad is None


@pytest.mark.parametrize("unit", StepUnit)
def test_one_unit_of_a_bound_is_itself_or_its_range(unit: StepUnit) -> None:
    model = wrap(random_network("SwinIR"), QuantSpec(4, 4, share_input=True))
    for name in model.sites:
        model.set_bounds(name, Bounds(-1.0, 3.0))
    vector = bounds_vector(model, unit)
    assert vector.values.numel() == 2 * len(model.sites), "a quantizer with three readers learns once"
    assert set(vector.unit.tolist()) == ({4.0} if unit is StepUnit.RELATIVE else {1.0})
    assert vector.displacement() == 0.0
