"""The plain transcription of the benchmarks computes what the library computes, so that their times may be compared."""

from __future__ import annotations

import copy
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from intaglio.arch.registry import find
from intaglio.arch.swinir import SwinIRConfig
from intaglio.distill import DistillConfig, distill
from intaglio.distill.dqc import objective_of
from intaglio.distill.taps import tapped
from intaglio.distill.teacher import Teacher
from intaglio.methods import make_method, quantize
from intaglio.observe import CalibrationSet, OneSidedMse, TwoSidedMse
from intaglio.quant import affine
from intaglio.spec import QuantSpec


def _benchmark(name: str) -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


plain: Any = _benchmark("transcription")

VALUES = arrays(np.float32, st.integers(2, 60), elements=st.floats(-8, 8, width=32))


@given(VALUES, st.integers(2, 8))
def test_same_levels_and_gradients_as_the_library(values: np.ndarray, bits: int) -> None:
    found = []
    for function in (plain.fake_quantize, affine.fake_quantize):
        x = torch.tensor(values, requires_grad=True)
        lower, upper = torch.tensor(-3.0, requires_grad=True), torch.tensor(2.5, requires_grad=True)
        levels = function(x, lower, upper, bits)
        (levels * torch.linspace(0.5, 1.5, len(values))).sum().backward()
        found.append((levels.detach(), x.grad, lower.grad, upper.grad))
    assert torch.equal(found[0][0], found[1][0])
    for one, other in zip(found[0][1:], found[1][1:], strict=True):
        # Sums of at most 60 terms of at most 1.5 in single precision, each rounded a few times.
        assert torch.allclose(one, other, rtol=1e-6, atol=60 * 60 * 1.5 * torch.finfo(torch.float32).eps)


@pytest.mark.parametrize("two_sided", [True, False])
@given(values=VALUES, bits=st.integers(2, 4))
def test_same_search_as_the_library(two_sided: bool, values: np.ndarray, bits: int) -> None:
    if values.min() == values.max():
        return
    theirs = plain.search_bounds(torch.tensor(values), bits, 20, two_sided=two_sided)
    ours = (TwoSidedMse(20) if two_sided else OneSidedMse(20))(values, bits)
    errors = [_error(values, bounds.lower, bounds.upper, bits) for bounds in (ours, theirs)]
    # The errors are sums of at most 60 squares of single-precision values up to 8, so ties are decided by rounding.
    assert abs(errors[0] - errors[1]) <= 60 * 64 * 2.0**-22


def _error(values: np.ndarray, lower: float, upper: float, bits: int) -> float:
    x = values.astype(np.float64)
    step = (upper - lower) / (2**bits - 1)
    return float(np.square(x - (np.rint((np.clip(x, lower, upper) - lower) / step) * step + lower)).sum())


def test_same_loss_and_gradients_of_all_bounds_as_the_library() -> None:
    torch.manual_seed(0)
    network = find("swinir").build(SwinIRConfig(scale=2, embed_dim=12, depths=(2,), heads=(2,), mlp_hidden=24)).eval()
    pictures = CalibrationSet.synthetic(2, 32, seed=0)
    patches = pictures.patches(2, 16, seed=0)
    method = make_method("percentile", {"patches": 2, "patch_size": 16, "tail": 1.0})
    student = quantize(network, QuantSpec(4, 4), method, pictures).model
    for quantizer in student.affine().values():
        # Shares of strangers are subnormal numbers, and so is their percentile; the library takes them for zeros.
        if abs(quantizer.lower.item()) < torch.finfo(torch.float32).tiny:
            quantizer.lower.data.zero_()
    twin = copy.deepcopy(student)
    losses = distill(copy.deepcopy(student), network, patches, DistillConfig(iterations=1, batch=2))

    loop = plain.PlainDqc(twin, network, network.feature_taps(), rate=1e-2, weight=5.0)
    loss = loop.loss(patches)
    loss.backward()
    assert losses[0] == pytest.approx(loss.item(), rel=1e-5)

    objective = objective_of(DistillConfig(), student.network)
    target = Teacher(network, patches, objective.taps).targets(torch.arange(2))
    with tapped(student.network, objective.taps) as features:
        output = student(patches)
        objective(output, [features[name] for name in objective.taps], target).backward()
    for name, quantizer in student.affine().items():
        theirs = twin.quantizer(name)
        for bound in ("lower", "upper"):
            ours_grad, plain_grad = getattr(quantizer, bound).grad, getattr(theirs, bound).grad
            # Sums of up to 1e4 signed terms in single precision.
            assert ours_grad.item() == pytest.approx(plain_grad.item(), rel=1e-3, abs=1e-6), (name, bound)


def test_a_step_moves_the_bounds() -> None:
    torch.manual_seed(0)
    network = find("swinir").build(SwinIRConfig(scale=2, embed_dim=12, depths=(2,), heads=(2,), mlp_hidden=24)).eval()
    pictures = CalibrationSet.synthetic(2, 32, seed=0)
    student = quantize(
        network, QuantSpec(3, 3), make_method("minmax", {"patches": 2, "patch_size": 16}), pictures
    ).model
    loop = plain.PlainDqc(student, network, network.feature_taps(), rate=1e-2, weight=5.0)
    patches = pictures.patches(2, 16, seed=0)
    losses = [loop.step(patches) for _ in range(12)]
    assert min(losses[6:]) < losses[0]
