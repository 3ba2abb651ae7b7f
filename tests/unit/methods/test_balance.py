"""Balancing leaves the float network as it was, in the model and in the teacher that later steps see."""

from __future__ import annotations

import pytest
import torch

from intaglio.arch.examples import random_network
from intaglio.errors import SpecError
from intaglio.methods.base import Job
from intaglio.methods.steps.balance import OnBalancedNorms, balance
from intaglio.methods.steps.norm_inputs import norm_inputs
from intaglio.observe import CalibrationSet
from intaglio.progress import Silent
from intaglio.quant import wrap
from intaglio.spec import Coverage, QuantSpec

CALIBRATION = CalibrationSet.synthetic(count=2, size=24)


def job_on(name: str) -> Job:
    network = random_network(name)
    return Job(wrap(network, QuantSpec(4, 4, Coverage.FULL)), network, CALIBRATION, 0, Silent(), None, {})


@pytest.mark.parametrize("name", ["SwinIR", "DAT"])
def test_both_networks_compute_what_they_did_on_tensors_that_stay_comparable(name: str) -> None:
    job, seen = job_on(name), list[Job]()
    x = CALIBRATION.patches(1, 16, seed=1)
    before = job.teacher(x)
    OnBalancedNorms(0.5, patches=2, patch_size=16, then=(seen.append,))(job)
    (given,) = seen
    assert given.teacher is not job.teacher
    assert torch.equal(job.teacher(x), before)
    # Two roundings of each weight and bias: far below what any quantizer does.
    assert torch.allclose(given.teacher(x), before, atol=1e-4)
    assert torch.allclose(given.model(x), before, atol=1e-4)
    for one in norm_inputs(given, x):
        for path in one.readers:
            assert torch.equal(given.teacher.get_submodule(path).weight, given.model.network.get_submodule(path).weight)
    assert job.metrics["norms"] == len(job.teacher.norm_readers())  # type: ignore[operator]


def test_a_network_that_names_no_norm_is_left_as_it_is() -> None:
    job, seen = job_on("EDSR"), list[Job]()
    OnBalancedNorms(0.5, patches=2, patch_size=16, then=(seen.append,))(job)
    assert seen[0].teacher is job.teacher
    assert job.metrics == {}


def test_half_of_the_range_goes_to_the_weights() -> None:
    generator = torch.Generator().manual_seed(0)
    # Fewer rows than would have a tail.
    rows = torch.randn(200, 6, generator=generator) * torch.tensor([0.1, 1.0, 2.0, 4.0, 8.0, 16.0])
    weight = torch.randn(5, 6, generator=generator)
    shift, scale = balance(rows, weight, share=0.5)
    moved, read = (rows + shift) / scale, (weight * scale).abs().amax(0)
    ratio = (moved.amax(0) - moved.amin(0)) / read
    assert torch.allclose(ratio, ratio.mean().expand_as(ratio))
    assert torch.allclose(moved.amax(0), -moved.amin(0))
    assert torch.allclose(scale.log().mean(), torch.tensor(0.0).double(), atol=1e-9)


def test_a_share_beyond_one_is_refused() -> None:
    with pytest.raises(SpecError, match="give 0 to 1"):
        OnBalancedNorms(1.5, 2, 16, ())
