"""What is folded into a LayerNorm leaves the float network as it was, and does to its output what the papers say."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from intaglio.arch.examples import random_network
from intaglio.methods import make_method, quantize
from intaglio.methods.base import Job
from intaglio.methods.norm_folding import AddNoise, EqualiseNorms
from intaglio.methods.steps import FitBounds
from intaglio.methods.steps.norm_inputs import norm_inputs
from intaglio.observe import CalibrationSet, TwoSidedMse
from intaglio.progress import Silent
from intaglio.quant import QuantModel, wrap
from intaglio.quant.editing import fold_into_norm
from intaglio.quant.quantizers import Unset
from intaglio.spec import QuantSpec

CALIBRATION = CalibrationSet.synthetic(count=2, size=24)
SMALL = {"patches": 2, "patch_size": 16}


def job_on(model: QuantModel) -> Job:
    return Job(model, random_network("SwinIR"), CALIBRATION, 0, Silent(), None, {})


def swinir() -> QuantModel:
    return wrap(random_network("SwinIR"), QuantSpec(4, 4))


def inputs(job: Job) -> dict[str, Tensor]:
    found = norm_inputs(job, CALIBRATION.patches(2, 16, seed=0))
    return {one.norm: one.rows for one in found}


def biases(model: QuantModel) -> list[Tensor]:
    norms = [norm for norm, _ in model.network.norm_readers()]  # type: ignore[operator]
    return [model.network.get_submodule(norm).bias.detach().clone() for norm in norms]


def test_folding_is_undone_behind_the_norm() -> None:
    model, x = swinir(), torch.rand(1, 3, 16, 16)
    before = model(x)
    for norm, reader in model.network.norm_readers():  # type: ignore[operator]
        width = model.network.get_submodule(norm).weight.numel()
        generator = torch.Generator().manual_seed(width)
        shift, scale = torch.randn(width, generator=generator), 0.5 + torch.rand(width, generator=generator)
        fold_into_norm(model, norm, [reader], shift=shift.double(), scale=scale.double())
    # Two roundings of each weight and bias: far below what any quantizer does.
    assert torch.allclose(model(x), before, atol=1e-4)


def test_repq_gives_all_channels_one_range() -> None:
    model = swinir()
    job = job_on(model)
    ranges_before = [(rows.amax(0) - rows.amin(0)) for rows in inputs(job).values()]
    EqualiseNorms(candidates=1, patches=2, patch_size=16)(job)  # one candidate: the extremes
    for rows, before in zip(inputs(job).values(), ranges_before, strict=True):
        lower, upper = rows.amin(0), rows.amax(0)
        assert torch.allclose(upper - lower, before.mean().expand_as(before), rtol=1e-3)
        assert float(lower.max() - lower.min()) <= 1e-3 * float(before.mean())
    assert job.metrics["norms"] == len(ranges_before) == 2 * sum(model.network.config.depths)  # type: ignore[union-attr]


def test_noise_is_chosen_by_the_error_it_leaves() -> None:
    model = swinir()
    job = job_on(model)
    search = TwoSidedMse(20)
    FitBounds(search, search, search, 2, 16)(job)
    before = biases(model)
    AddNoise(patches=2, patch_size=16)(job)
    changed = [not torch.equal(old, new) for old, new in zip(before, biases(model), strict=True)]
    assert job.metrics["noisy"] == sum(changed)


@pytest.mark.parametrize("method", ["repq", "noisyquant"])
def test_every_site_is_set_and_the_edits_are_told(method: str) -> None:
    found = quantize(random_network("SwinIR"), QuantSpec(4, 4), make_method(method, SMALL), CALIBRATION)
    assert not any(isinstance(found.model.quantizer(name), Unset) for name in found.model.sites)
    assert {"repq": "norms", "noisyquant": "noisy"}[method] in found.metrics
