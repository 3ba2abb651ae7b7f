"""Every architecture of the registry: its integer program against its simulator, site by site and from end to end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from intaglio.arch import REGISTRY, load
from intaglio.arch.examples import random_network
from intaglio.evaluate import psnr_y
from intaglio.evaluate.torch_upscaler import TorchUpscaler
from intaglio.lower import FloatDtype, lower, lowered, simulator
from intaglio.lower.check import MAX_FLIP_SHARE, CheckReport, check
from intaglio.methods import make_method, quantize
from intaglio.observe import CalibrationSet
from intaglio.packed.format import load as load_packed
from intaglio.packed.format import save
from intaglio.packed.validate import validate
from intaglio.quant import QuantModel
from intaglio.runtime.reference import Reference
from intaglio.spec import Coverage, Granularity, QuantSpec

CALIBRATION = CalibrationSet.synthetic(count=2, size=32)
IMAGE = np.ascontiguousarray(CALIBRATION.pictures[0][:24, :16])
"""Whole windows of every small network, so that none pads inside."""
LEAST_PSNR = 30.0
"""In dB, of free runs of random networks in which flipped codes echo; see test_native.py. What is exact is checked site
by site: at most `MAX_FLIP_SHARE` of the codes differ by rounding, and every integer product is equal."""

every_architecture = pytest.mark.parametrize("name", [entry.name for entry in REGISTRY])


def quantized(name: str, bits: int, granularity: Granularity = Granularity.PER_TENSOR) -> QuantModel:
    spec = QuantSpec(bits, bits, Coverage.FULL, granularity)
    method = make_method("minmax", {"patches": 2, "patch_size": 24})
    return quantize(random_network(name), spec, method, CALIBRATION).model


def require_close(report: CheckReport, model: QuantModel) -> None:
    report.require()
    assert len(report.sites) == sum(not site.is_weight for site in model.sites.values())
    assert max(site.largest for site in report.sites) <= 1
    assert report.products == sum(site.is_weight or site.role == "a" for site in model.sites.values())
    assert report.picture_psnr >= LEAST_PSNR
    # Held to the simulator's values at every site, nothing echoes: rounding alone is left, in the codes that arrive and
    # in the picture, where it may carry a value across the boundary between two grey levels.
    assert {site.name for site in report.arrived} == {site.name for site in report.sites}
    assert report.arrived_share <= MAX_FLIP_SHARE
    assert report.held_grey_levels <= 1


@every_architecture
@pytest.mark.parametrize("bits", [4, 8])
def test_program_computes_what_the_simulator_computes(name: str, bits: int) -> None:
    model = quantized(name, bits)
    found = lowered(model)
    validate(found.program)
    assert {site.name for site in found.program.sites()} == set(model.sites)
    require_close(check(simulator(model), found, IMAGE), model)


@every_architecture
def test_per_channel_weights_and_a_single_precision_floats(name: str) -> None:
    model = quantized(name, 4, Granularity.PER_CHANNEL)
    found = lowered(model, FloatDtype.FLOAT32)
    require_close(check(simulator(model, FloatDtype.FLOAT32), found, IMAGE), model)


@every_architecture
def test_a_saved_program_gives_the_same_picture(name: str, tmp_path: Path) -> None:
    program = lower(quantized(name, 3))
    save(program, tmp_path / "model.intaglio")
    again = load_packed(tmp_path / "model.intaglio").program
    picture = Reference(program)(IMAGE)
    assert len(np.unique(picture)) > 32, "a picture of a few grey levels would show no fault"
    assert np.array_equal(Reference(again)(IMAGE), picture)


@pytest.mark.shared
@pytest.mark.parametrize("bits", [4, 8])
def test_published_rlfn(shared: Path, bits: int) -> None:
    network = load(shared / "weights" / "rlfn_x2.pth")
    calibration = CalibrationSet.from_folder(shared / "data" / "calibration" / "div2k_lr", hold_out=98)
    method = make_method("minmax", {"patches": 2, "patch_size": 32})
    model = quantize(network, QuantSpec(bits, bits, Coverage.FULL), method, calibration).model
    image = np.ascontiguousarray(calibration.pictures[0][40:64, 30:70])
    report = check(simulator(model), lowered(model), image)
    report.require()
    assert report.products == 6 * 9 + 3
    # Sixty quantized layers in a row are chaotic: in free runs a few flips echo, at most to the size of the
    # quantization error itself.
    simulated = TorchUpscaler(simulator(model), network.scale)(image)
    assert report.picture_psnr > psnr_y(simulated, TorchUpscaler(network, network.scale)(image), 0)
