"""A guarded step leaves the model as it was, bit by bit, or exactly as the step alone would have."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from intaglio.arch.examples import random_network
from intaglio.distill.teacher import Teacher
from intaglio.methods import make_method, quantize
from intaglio.methods.base import Job
from intaglio.methods.steps.keep import KeepIfCloser, output_error
from intaglio.observe import CalibrationSet
from intaglio.progress import Silent
from intaglio.quant import QuantModel
from intaglio.spec import Bounds, Coverage, QuantSpec

CALIBRATION = CalibrationSet.synthetic(count=2, size=24)
NETWORK = random_network("EDSR").eval()


def job() -> Job:
    spec, method = QuantSpec(3, 3, Coverage.FULL), make_method("minmax", {"patches": 2, "patch_size": 16})
    model = quantize(NETWORK, spec, method, CALIBRATION).model
    return Job(model, NETWORK, CALIBRATION, 0, Silent(), None, {})


def spoil(model: QuantModel) -> None:
    """All activations to nothing."""
    for name, site in model.sites.items():
        if not site.is_weight:
            model.set_bounds(name, Bounds(0.0, 1e-3))


def restore(model: QuantModel) -> None:
    """The grids of `job`."""
    model.network = job().model.network


@pytest.mark.parametrize(("start", "step", "kept"), [(restore, spoil, False), (spoil, restore, True)])
def test_only_what_brings_the_output_closer_is_kept(
    start: Callable[[QuantModel], None], step: Callable[[QuantModel], None], kept: bool
) -> None:
    ours, alone = job(), job()
    start(ours.model)
    start(alone.model)
    KeepIfCloser("change", lambda inner: step(inner.model), 2, 16)(ours)
    if kept:
        step(alone.model)
    states = ours.model.state_dict(), alone.model.state_dict()
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert ours.metrics["change_kept"] == kept
    assert (ours.metrics["change_error_after"] < ours.metrics["change_error_before"]) == kept


def test_a_step_that_gives_layers_new_parameters_can_be_taken_back() -> None:
    ours = job()
    before = {key: value.clone() for key, value in ours.model.state_dict().items()}

    def harm(inner: Job) -> None:
        spoil(inner.model)
        inner.model.network.extra = torch.nn.Parameter(torch.ones(3))

    KeepIfCloser("harm", harm, 2, 16)(ours)
    after = ours.model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_metrics_of_the_step_are_told_either_way() -> None:
    ours = job()
    KeepIfCloser("tell", lambda inner: inner.metrics.update(loss_last=0.5), 2, 16)(ours)
    assert ours.metrics["loss_last"] == 0.5
    assert ours.metrics["tell_kept"] == 0.0, "nothing changed, so nothing came closer"


def test_the_error_of_a_network_with_itself_is_zero() -> None:
    assert output_error(NETWORK, Teacher(NETWORK, torch.rand(2, 3, 8, 8), ())) == 0.0
