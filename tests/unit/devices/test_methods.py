"""Every method on a second device: no step mixes devices or reads its memory; the result comes back to the CPU."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import nn

from intaglio.arch.swinir import SwinIR, SwinIRConfig
from intaglio.methods import METHODS, Quantized, make_method, quantize
from intaglio.observe import CalibrationSet
from intaglio.quant import policy
from intaglio.spec import QuantSpec

from .elsewhere import DEVICE, Elsewhere, second_device

SMALL: Mapping[str, int] = {
    "patches": 2, "patch_size": 16, "pool": 2, "iterations": 2, "batch": 1, "pac_batch": 1, "batches": 1,
    "crop_size": 16, "pictures": 2, "start_batch": 1, "epochs": 2, "updates": 1, "gradient_steps": 2, "candidates": 8,
}  # fmt: skip


@cache
def network() -> SwinIR:
    torch.manual_seed(0)
    return SwinIR(SwinIRConfig(scale=2, embed_dim=8, depths=(2,), heads=(2,), window=4, mlp_hidden=16)).eval()


@cache
def calibration() -> CalibrationSet:
    return CalibrationSet.synthetic(2, 24)


@pytest.fixture(autouse=True)
def small_measure_of_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work is measured on tensors without values, on the device that computes here."""
    monkeypatch.setattr(policy, "SIDE", 16)


def quantized(name: str, device: torch.device | None, checkpoint: Path | None = None) -> Quantized:
    names = {field.name for field in fields(METHODS[name].make)}  # type: ignore[arg-type]
    method = make_method(name, {key: value for key, value in SMALL.items() if key in names})
    spec = QuantSpec(4, 4)
    return quantize(network(), spec, method, calibration(), seed=1, device=device, checkpoint=checkpoint)


def states(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: x for name, x in model.state_dict().items() if x.is_floating_point()}


@pytest.mark.parametrize("name", METHODS)
def test_a_method_runs_on_another_device(name: str, tmp_path: Path) -> None:
    with second_device():
        there = quantized(name, DEVICE, tmp_path / "state").model
    assert not any(isinstance(x, Elsewhere) or x.device != torch.device("cpu") for x in there.state_dict().values())
    for key, value in states(there).items():
        assert torch.isfinite(value).all(), key


def test_what_the_other_device_gives_is_what_the_cpu_gives() -> None:
    """Of a method that searches by the same sums: the fused kernels of the CPU add up in another order."""
    with second_device():
        there = quantized("dobi", DEVICE).model
    here = quantized("dobi", None).model
    assert states(there).keys() == states(here).keys()
    for key, value in states(here).items():
        torch.testing.assert_close(states(there)[key], value, rtol=1e-5, atol=1e-6)


def test_a_step_that_mixes_devices_is_told() -> None:
    with second_device():
        there = torch.ones(2).to(DEVICE)
        assert (there + torch.tensor(1.0)).cpu().tolist() == [2.0, 2.0]
        with pytest.raises(RuntimeError, match="same device"):
            there + torch.ones(2)
        with pytest.raises(TypeError, match="cpu"):
            there.numpy()
