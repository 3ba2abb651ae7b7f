"""Every registered method on a tiny transformer and a tiny convolutional network: what tables take for granted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from functools import cache
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from intaglio.arch.edsr import EDSR, EDSRConfig
from intaglio.arch.network import SRNetwork
from intaglio.arch.swinir import SwinIR, SwinIRConfig
from intaglio.errors import LoweringError, MethodError
from intaglio.lower import lower, lowered, simulator
from intaglio.lower.check import check
from intaglio.methods import METHODS, Quantized, make_method, quantize
from intaglio.observe import CalibrationSet, visit_sites
from intaglio.quant.dual_region import Budget, DualRegionQuantizer
from intaglio.quant.quantizers import Unset
from intaglio.spec import Coverage, Granularity, QuantSpec

SMALL: Mapping[str, int] = {
    "patches": 2, "patch_size": 16, "pool": 4, "iterations": 4, "batch": 2, "pac_batch": 2, "batches": 2,
    "crop_size": 16, "pictures": 4, "start_batch": 2, "epochs": 4, "updates": 1, "gradient_steps": 5, "candidates": 20,
}  # fmt: skip
"""Values for whichever of these fields a method has."""

MINUTE: Mapping[str, float] = {"learning_rate": 1e-3}
METHODS_AND_NETWORKS = [
    (name, network)
    for name, entry in METHODS.items()
    for network in ("swinir", "edsr")
    if network == "swinir" or not entry.transformers
]


def settings(name: str) -> dict[str, int | float]:
    names = {field.name for field in fields(METHODS[name].make)}  # type: ignore[arg-type]
    return {key: value for key, value in {**SMALL, **MINUTE}.items() if key in names}


@cache
def network(name: str) -> SRNetwork:
    torch.manual_seed(0)
    if name == "edsr":
        return EDSR(EDSRConfig(scale=2, features=6, blocks=2)).eval()
    config = SwinIRConfig(scale=2, embed_dim=12, depths=(2,), heads=(2,), window=4, mlp_hidden=24)
    return SwinIR(config).eval()


@cache
def calibration() -> CalibrationSet:
    return CalibrationSet.synthetic(3, 24)


def spec(name: str, bits: int = 3) -> QuantSpec:
    return QuantSpec(bits, bits, Coverage.FULL if name == "edsr" else Coverage.PAPER)


@cache
def quantized(method: str, name: str) -> Quantized:
    return quantize(network(name), spec(name), make_method(method, settings(method)), calibration(), seed=1)


def most_levels(method: str, site_bits: int, is_weight: bool) -> int:
    doubled = method == "oaq-release" and not is_weight
    return 2 ** (site_bits + doubled)


@pytest.mark.parametrize(("method", "name"), METHODS_AND_NETWORKS)
def test_at_most_two_to_the_bits_levels_on_real_activations(method: str, name: str) -> None:
    model = quantized(method, name).model
    patches = calibration().patches(2, 16, seed=9)
    counts = visit_sites(model, patches, lambda site, x: len(model.quantizer(site.name).forward(x).unique()))
    assert set(counts) == set(model.sites)
    for site_name, size in counts.items():
        site = model.sites[site_name]
        assert not isinstance(model.quantizer(site_name), Unset)
        assert 1 <= size <= most_levels(method, site.bits, site.is_weight), site_name


@pytest.mark.parametrize(("method", "name"), METHODS_AND_NETWORKS)
def test_quantizing_levels_again_changes_nothing(method: str, name: str) -> None:
    model = quantized(method, name).model
    released = {q for q in model.modules() if isinstance(q, DualRegionQuantizer) and q.budget is Budget.RELEASE}

    for site_name in model.sites:
        quantizer = model.quantizer(site_name)
        if quantizer in released:
            continue  # The released dense grid reaches past its own breakpoint (docs/methods/oaq.md).
        once = quantizer(torch.linspace(-3.0, 3.0, 501))
        assert torch.equal(once, quantizer(once)), site_name


@pytest.mark.parametrize(("method", "name"), METHODS_AND_NETWORKS)
def test_output_is_finite_on_any_picture_and_the_teacher_untouched(method: str, name: str) -> None:
    before = {key: value.clone() for key, value in network(name).state_dict().items()}
    model = quantized(method, name).model
    for shape in ((1, 3, 1, 1), (1, 3, 5, 9)):
        for picture in (torch.zeros(shape), torch.full(shape, 0.7), torch.rand(shape)):
            with torch.inference_mode():
                assert torch.isfinite(model(picture)).all()
    after = network(name).state_dict()
    assert all(torch.equal(after[key], value) for key, value in before.items())
    assert not any(module._forward_pre_hooks or module._forward_hooks for module in model.modules())


@pytest.mark.parametrize("method", list(METHODS))
def test_same_seed_gives_the_same_model(method: str) -> None:
    again = quantize(network("swinir"), spec("swinir"), make_method(method, settings(method)), calibration(), seed=1)
    ours, theirs = quantized(method, "swinir").model.state_dict(), again.model.state_dict()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert again.metrics == quantized(method, "swinir").metrics


class KilledError(Exception):
    """Stands for a kill in the middle of a run."""


class Killing:
    """A progress that raises in the third step of a distillation."""

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Callable[[str], None]]:
        steps = count(1)

        def advance(figure: str) -> None:
            if name == "distillation" and next(steps) == 3:
                raise KilledError

        yield advance


@pytest.mark.parametrize("method", [name for name, entry in METHODS.items() if entry.trains])
def test_killed_run_ends_with_the_same_model(method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("intaglio.distill.loop.CHECKPOINT_EVERY", 1)
    arguments = (network("swinir"), spec("swinir"), make_method(method, settings(method)), calibration())
    state = tmp_path / "state"
    with pytest.raises(KilledError):
        quantize(*arguments, seed=1, progress=Killing(), checkpoint=state)
    resumed = quantize(*arguments, seed=1, checkpoint=state)
    ours, theirs = quantized(method, "swinir").model.state_dict(), resumed.model.state_dict()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)


@pytest.mark.parametrize("method", list(METHODS))
def test_pictures_without_content_give_finite_models(method: str) -> None:
    flat = np.zeros((20, 20, 3), dtype=np.uint8)
    name = "swinir" if METHODS[method].transformers else "edsr"
    found = quantize(
        network(name), spec(name), make_method(method, settings(method)), CalibrationSet("flat", (flat,)), seed=0
    )
    with torch.inference_mode():
        assert torch.isfinite(found.model(torch.rand(1, 3, 6, 6))).all()
    assert all(np.isfinite(value) for value in found.metrics.values())


@pytest.mark.parametrize("method", [name for name, entry in METHODS.items() if not entry.transformers])
def test_dead_channels_give_finite_models(method: str) -> None:
    torch.manual_seed(2)
    dead = EDSR(EDSRConfig(scale=2, features=6, blocks=1)).eval()
    with torch.no_grad():
        dead.conv_first.weight[1] = 0.0
        dead.conv_first.bias[1] = 0.0
        dead.body[0].conv1.weight.zero_()
    found = quantize(dead, spec("edsr"), make_method(method, settings(method)), calibration(), seed=0)
    with torch.inference_mode():
        assert torch.isfinite(found.model(torch.rand(1, 3, 6, 6))).all()


@pytest.mark.parametrize(("method", "name"), METHODS_AND_NETWORKS)
def test_a_program_computes_what_its_simulator_does_or_is_refused(method: str, name: str) -> None:
    model = quantized(method, name).model
    if method == "oaq-release":
        with pytest.raises(LoweringError, match=r":(input|a)', a DualRegionQuantizer"):
            lower(model)
        return
    found = lowered(model)
    check(simulator(model), found, calibration().pictures[0]).require()
    for site in found.program.sites():
        assert all(grid.levels <= 2 ** model.sites[site.name].bits for grid in site.grids), site.name


@pytest.mark.parametrize("method", list(METHODS))
def test_per_channel_weights_work_or_are_refused_before_anything_starts(method: str) -> None:
    per_channel = QuantSpec(3, 3, Coverage.FULL, Granularity.PER_CHANNEL)
    asked = make_method(method, settings(method))
    if method.startswith("oaq") or METHODS[method].transformers:
        with pytest.raises(MethodError, match=r"per-tensor|LayerNorm|GELU"):
            quantize(network("edsr"), per_channel, asked, calibration())
        return
    model = quantize(network("edsr"), per_channel, asked, calibration()).model
    weight = model.affine()["body.0.conv1:weight"]
    assert weight.lower.shape == (6, 1, 1, 1)
    rows = weight(model.layer(model.sites["body.0.conv1:weight"]).weight_of("weight"))
    assert all(len(row.unique()) <= 8 for row in rows.flatten(1))


WORK_ON_ANY_NETWORK = {"minmax", "percentile", "dobi", "mse", "oaq", "oaq-release"}
"""The others edit weight matrices or distil features, and must say so."""


class Grouped(nn.Module):
    """A grouped convolution, and no feature taps."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 3, 3, padding=1, groups=3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.conv(x)
        return out


@pytest.mark.parametrize("method", list(METHODS))
def test_foreign_network_works_or_is_refused_with_a_reason(method: str) -> None:
    asked = make_method(method, settings(method))
    refused = "grouped|feature taps|LayerNorm|GELU"
    if method in WORK_ON_ANY_NETWORK:
        found = quantize(Grouped(), QuantSpec(4, 4, Coverage.FULL), asked, calibration())
        assert torch.isfinite(found.model(torch.rand(1, 3, 4, 4))).all()
    else:
        with pytest.raises(MethodError, match=refused):
            quantize(Grouped(), QuantSpec(4, 4, Coverage.FULL), asked, calibration())
