"""Every analysis, a float network's pictures, and the names of devices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from intaglio.app.calibrating import CalibrationSource
from intaglio.app.devices import CPU, device_of
from intaglio.app.expected import expected_seconds
from intaglio.app.networks import NetworkSource
from intaglio.arch.examples import random_network
from intaglio.cli import analyzing
from intaglio.errors import SpecError
from intaglio.evaluate.torch_upscaler import TorchUpscaler
from intaglio.images import dead_leaves
from intaglio.observe import CalibrationSet
from intaglio.progress import Silent
from intaglio.quant import policy
from intaglio.spec import QuantSpec

from .elsewhere import DEVICE, second_device


@pytest.mark.parametrize("name", analyzing.ANALYSES)
def test_an_analysis_runs_on_another_device(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "SIDE", 16)
    asked = analyzing.Asked(
        NetworkSource(Path("none")), QuantSpec(4, 4), (), {"patches": 2, "patch_size": 16}, CalibrationSource(),
        patches=2, size=8, probes=1, outliers=1.0, seed=0, site="*",
    )  # fmt: skip
    network, calibration = random_network("SwinIR"), CalibrationSet.synthetic(2, 24)
    here = analyzing.ANALYSES[name](analyzing.Context(asked, network, calibration, Silent()))
    with second_device():
        context = analyzing.Context(asked, random_network("SwinIR").to(DEVICE), calibration, Silent())
        assert context.device == DEVICE
        there = analyzing.ANALYSES[name](context)
    assert there.columns == here.columns
    assert len(there.rows) == len(here.rows)
    assert np.isfinite(
        [float(x) for row in there.content.get("sites", ()) for x in row.values() if isinstance(x, float)]
    ).all()


def test_a_float_network_enlarges_on_another_device() -> None:
    network, picture = random_network("SwinIR"), dead_leaves(8, 12, seed=0)
    here = TorchUpscaler(network, 2)
    expected, planes = here(picture), here.planes(picture.transpose(2, 0, 1).astype(np.float32) / 255)
    with second_device():
        there = TorchUpscaler(random_network("SwinIR"), 2, str(DEVICE))
        assert (there(picture) == expected).all()
        assert (there.planes(picture.transpose(2, 0, 1).astype(np.float32) / 255) == planes).all()
        assert expected_seconds(network, 3, "minmax", {}, DEVICE) > 0


def test_names_of_devices(tmp_path: Path) -> None:
    assert device_of("cpu") == CPU
    assert device_of("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    for name in ("gpu", "cuda:99", "meta", ""):
        with pytest.raises(SpecError, match="choose cpu, or auto"):
            device_of(name)


def test_commands_take_a_device_and_refuse_one_that_is_not_there(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from intaglio.cli import main

    checkpoint = tmp_path / "tiny.safetensors"
    save_file({key: value.contiguous() for key, value in random_network("SwinIR").state_dict().items()}, checkpoint)
    quick = ["--method", "minmax", "--set", "patches=1", "--set", "patch_size=16"]
    for words in (
        ["quantize", str(checkpoint), "-o", str(tmp_path / "m.intaglio"), *quick],
        ["analyze", "conditions", str(checkpoint)],
        ["eval", str(checkpoint), "--data", str(tmp_path)],
    ):
        assert main([*words, "--device", "cuda:99"]) == 2
        assert "--device cuda:99 cannot be used here" in capfd.readouterr().err
    assert not (tmp_path / "m.intaglio").exists()
