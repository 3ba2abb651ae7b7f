"""Every registered method on networks that know nothing of this package: it runs, or says why not."""

from __future__ import annotations

from dataclasses import fields
from functools import cache

import pytest
import torch
from tests.property.methods.strangers import CONVOLUTIONAL, STRANGERS, seeded

from intaglio.analyze.conditions import weight_conditions
from intaglio.analyze.cost import cost
from intaglio.analyze.counts import count_operations
from intaglio.analyze.distributions import site_distributions
from intaglio.analyze.gradient import estimate_errors
from intaglio.analyze.pairs import pairs_of
from intaglio.analyze.sensitivity import site_sensitivity
from intaglio.errors import MethodError
from intaglio.methods import METHODS, Quantized, make_method, quantize
from intaglio.observe import CalibrationSet
from intaglio.observe.readings import read_sites
from intaglio.quant import ForeignNetwork, adopt, wrap
from intaglio.quant.policy import Reason
from intaglio.spec import Coverage, QuantSpec

TINY = {
    "patches": 2, "patch_size": 8, "pool": 2, "iterations": 1, "batch": 2, "pac_batch": 2, "batches": 1,
    "crop_size": 8, "pictures": 2, "start_batch": 2, "epochs": 3, "updates": 1, "gradient_steps": 2, "candidates": 5,
    "finer": 1,
}  # fmt: skip

NO_NORM = "no LayerNorm that linear layers alone read"
REFUSED = {
    **{(method, name): NO_NORM for method in ("repq", "noisyquant") for name in ("sdpa", *CONVOLUTIONAL)},
    **{
        (method, "tokens-first"): "keeps the pictures of a batch one after the other"
        for method in ("oaq", "oaq-release")
    },
    **{("ptq4vit", name): "no attention map or GELU output" for name in CONVOLUTIONAL},
    **{
        (method, "convolutions"): "is grouped and has no single weight matrix"
        for method in ("condiquant", "condiquant-project", "ridge", "least-squares", "engrave")
    },
}
"""What a method needs and a stranger lacks; everything else runs."""


@cache
def adopted(name: str) -> ForeignNetwork:
    return adopt(seeded(STRANGERS[name]), torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(5)))


@cache
def calibration() -> CalibrationSet:
    return CalibrationSet.synthetic(2, 16)


def spec(name: str) -> QuantSpec:
    return QuantSpec(3, 3, Coverage.FULL if name in CONVOLUTIONAL else Coverage.PAPER)


@cache
def quantized(method: str, name: str) -> Quantized:
    known = {field.name for field in fields(METHODS[method].make)}  # type: ignore[arg-type]
    chosen = make_method(method, {key: value for key, value in TINY.items() if key in known})
    return quantize(adopted(name), spec(name), chosen, calibration(), seed=1)


@pytest.mark.parametrize("name", STRANGERS)
@pytest.mark.parametrize("method", METHODS)
def test_every_method_runs_on_a_stranger_or_says_why_not(method: str, name: str) -> None:
    if (method, name) in REFUSED:
        with pytest.raises(MethodError, match=REFUSED[method, name]):
            quantized(method, name)
        return
    found = quantized(method, name)
    picture = calibration().patches(1, 12, seed=3)
    with torch.no_grad():
        output = found.model(picture)
        assert torch.isfinite(output).all()
        # Bounds, and a bias that a method gave, go the way of a state dict into a copy whose sites are unset.
        again = wrap(adopted(name), spec(name))
        again.load_state_dict(found.model.state_dict())
        assert torch.equal(again(picture), output)
    assert not any(module._forward_pre_hooks or module._forward_hooks for module in found.model.modules())


@pytest.mark.parametrize("name", STRANGERS)
def test_analyses_work_on_a_stranger(name: str) -> None:
    model = quantized("mse", name).model
    rows = site_distributions(model, calibration().patches(2, 8, seed=1), bins=7)
    assert [row.site for row in rows] == list(model.sites)
    assert all(sum(row.counts) == row.values for row in rows)
    assert {row.site for row in weight_conditions(model)} == {
        site.name for site in model.sites.values() if site.is_weight
    }
    pairs = pairs_of(calibration(), 1, 8, scale=2, seed=0)
    estimates = estimate_errors(model, pairs.lr, probes=1)
    assert estimates.keys() == model.sites.keys()
    some = list(model.sites)[::7]
    assert len(site_sensitivity(model, pairs, only=some, estimates=estimates)) == len(some)
    grids = {site: quantizer.grids() for site, quantizer in model.affine().items() if site in some}
    assert len(read_sites(adopted(name), spec(name), grids, pairs.lr)) == len(some)
    assert cost(adopted(name), 8, 8, coverage=spec(name).coverage).quantized_parameters > 0
    counts = count_operations(adopted(name), 8, 8)
    assert (counts.convolution, counts.linear == 0) == (count_operations(adopted(name), 16, 8).convolution // 2,
                                                        name in CONVOLUTIONAL)  # fmt: skip
    assert counts.total == sum(work.multiply_adds for work in adopted(name).work().values()) + counts.other


def test_what_reads_nothing_of_the_picture_stays_float_and_is_named() -> None:
    model = quantized("minmax", "positions").model
    constant = {one.path for one in model.left_float if one.reason is Reason.CONSTANT}
    assert constant == {f"network.blocks.{block}.position.{layer}" for block in (0, 1) for layer in (0, 2)}
    assert not constant & {site.path for site in model.sites.values()}
    assert all(0.0 < one.share < 1.0 for one in model.left_float)


def test_fused_projections_are_three_layers_and_norms_have_their_readers() -> None:
    for name in ("fused", "sdpa", "positions"):
        sites = wrap(adopted(name), spec(name)).sites
        assert {f"network.blocks.1.qkv.{part}:weight" for part in "qkv"} <= sites.keys()
    assert adopted("fused").norm_readers() == (
        ("network.blocks.0.norm", "network.blocks.0.qkv"),
        ("network.blocks.1.norm", "network.blocks.1.qkv"),
    )
    assert ("network.blocks.0.norm", "network.blocks.0.v") in adopted("einsum").norm_readers()
    whole = adopt(seeded(STRANGERS["fused"]), torch.rand(1, 3, 8, 8), parts={"blocks.0.qkv": ()})
    assert "network.blocks.0.qkv:weight" in wrap(whole, spec("fused")).sites
