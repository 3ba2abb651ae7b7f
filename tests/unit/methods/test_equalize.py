"""Equalized channels: the float network stays, the predicted error falls to its least, and so does the measured one."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from intaglio.arch.examples import random_network
from intaglio.distill.teacher import Teacher
from intaglio.methods.base import Job
from intaglio.methods.mse import Mse
from intaglio.methods.steps.equalize import OnEqualizedChannels, least, predicted_errors
from intaglio.methods.steps.keep import output_error
from intaglio.observe import CalibrationSet
from intaglio.progress import Silent
from intaglio.quant import wrap
from intaglio.quant.scaling import channel_scales, rescale
from intaglio.spec import Coverage, Granularity, QuantSpec

CALIBRATION = CalibrationSet.synthetic(count=2, size=24)


def job_on(network: nn.Module, granularity: Granularity = Granularity.PER_TENSOR) -> Job:
    spec = QuantSpec(4, 4, Coverage.FULL, granularity)
    return Job(wrap(network, spec), network, CALIBRATION, 0, Silent(), None, {})


def unequal(name: str) -> nn.Module:
    """A network whose free channels are scaled by up to 16, as training leaves them now and then."""
    network = random_network(name)
    scales = channel_scales(network, CALIBRATION.patches(1, 16, seed=0))
    generator = torch.Generator().manual_seed(0)
    factors = 16.0 ** torch.rand(scales.count, generator=generator, dtype=torch.float64)
    factors[0] = 1.0
    rescale(network, scales, factors)
    return network


@pytest.mark.parametrize("name", ["RLFN", "SRVGGNetCompact", "DAT"])
def test_networks_stay_and_a_method_s_error_falls(name: str) -> None:
    network = unequal(name)
    fresh = CALIBRATION.patches(2, 16, seed=5)
    errors = []
    for equalized in (False, True):
        job = job_on(network)
        then = Mse(16, patches=2, patch_size=16).steps()
        seen: list[Job] = []
        if equalized:
            OnEqualizedChannels(2, 16, (seen.append, *then))(job)
            before = network(fresh)
            tolerance = 1e-4 * float(before.abs().max())
            assert torch.allclose(seen[0].teacher(fresh), before, atol=tolerance)
            assert job.metrics["equalized_error"] < 1.0
            assert seen[0].teacher is not network
        else:
            for step in then:
                step(job)
        errors.append(output_error(job.model, Teacher(network, fresh, ())))
    assert errors[1] < errors[0]


@pytest.mark.parametrize("granularity", Granularity)
def test_the_scales_found_are_the_best_there_are(granularity: Granularity) -> None:
    network = unequal("SRVGGNetCompact")
    job, patches = job_on(network, granularity), CALIBRATION.patches(2, 16, seed=0)
    scales = channel_scales(network, patches[:1])
    errors = predicted_errors(job.model, network, scales, patches)
    factors, before, after = least(errors, scales.count)
    assert after < before
    assert factors[0] == 1.0
    assert bool((factors > 0).all())
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        other = factors.log() + 0.1 * torch.randn(scales.count, generator=generator, dtype=torch.float64)
        other[0] = 0.0
        assert float(torch.stack([one(other) for one in errors]).sum()) > after


def test_a_network_without_free_scales_is_left_as_it_is() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.GELU(), nn.Conv2d(8, 3, 3, padding=1))
    kept = copy.deepcopy(network.state_dict())
    scales = channel_scales(network, torch.rand(1, 3, 8, 8))
    assert scales.count == 1
    assert all(torch.equal(value, kept[key]) for key, value in network.state_dict().items())
