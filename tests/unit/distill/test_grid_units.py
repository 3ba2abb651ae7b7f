"""One unit of a learned weight, bound or bias is one step of the grid it lives on."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from intaglio.arch.examples import random_network
from intaglio.distill import LearnedVector, biases_in_steps, bounds_in_steps, floats_in_shares, weights_in_steps
from intaglio.methods import make_method, quantize
from intaglio.observe import CalibrationSet
from intaglio.quant import QuantModel
from intaglio.spec import Coverage, Granularity, QuantSpec

CALIBRATION = CalibrationSet.synthetic(count=2, size=24)


def calibrated(name: str, bits: int, granularity: Granularity) -> QuantModel:
    spec = QuantSpec(bits, bits, Coverage.FULL, granularity)
    method = make_method("minmax", {"patches": 2, "patch_size": 16})
    return quantize(random_network(name), spec, method, CALIBRATION).model


def by_parameter(vector: LearnedVector) -> dict[int, Tensor]:
    """Units of a vector by the identity of the parameter they belong to."""
    return dict(zip(map(id, vector.parameters), vector.unit.split(vector.sizes), strict=True))


@pytest.mark.parametrize("granularity", Granularity)
@pytest.mark.parametrize("bits", [2, 5])
@pytest.mark.parametrize("name", ["SwinIR", "EDSR"])
def test_a_weight_that_moves_by_one_unit_moves_by_one_code(name: str, bits: int, granularity: Granularity) -> None:
    model = calibrated(name, bits, granularity)
    sites = [site for site in model.sites.values() if site.is_weight]
    before = {site.name: model.affine()[site.name].codes(model.weight(site)).int() for site in sites}
    vector = weights_in_steps(model)
    with torch.no_grad():
        # Not a whole unit: a half of a code may round either way.
        vector.values.fill_(1.001)
    vector.write()
    for site in sites:
        after = model.affine()[site.name].codes(model.weight(site)).int()
        top = 2**site.bits - 1
        assert (after >= (before[site.name] + 1).clamp(max=top)).all(), site.name
        assert (after <= (before[site.name] + 2).clamp(max=top)).all(), site.name
        assert (after == (before[site.name] + 1).clamp(max=top)).float().mean() > 0.95, site.name


@pytest.mark.parametrize("granularity", Granularity)
def test_units_of_bounds_and_biases(granularity: Granularity) -> None:
    model = calibrated("EDSR", 3, granularity)
    bounds, biases = by_parameter(bounds_in_steps(model)), by_parameter(biases_in_steps(model))
    for site in (site for site in model.sites.values() if site.is_weight):
        layer, weight = model.layer(site), model.affine()[site.name]
        inputs = model.affine()[site.name.removesuffix("weight") + "input"]
        step = (weight.upper - weight.lower) / (2**site.bits - 1)
        assert torch.equal(bounds[id(weight.lower)], step.flatten())
        assert torch.equal(bounds[id(weight.upper)], step.flatten())
        expected = (step * (inputs.upper - inputs.lower)).flatten().expand(len(layer.bias))
        assert torch.equal(biases[id(layer.bias)], expected)


def test_parts_of_a_fused_layer_have_units_of_their_own() -> None:
    model = calibrated("SwinIR", 4, Granularity.PER_TENSOR)
    units = by_parameter(weights_in_steps(model))
    fused = {site.path for site in model.sites.values() if site.role == "q.weight"}
    assert fused
    for path in fused:
        sites = [next(s for s in model.sites.values() if (s.path, s.role) == (path, f"{p}.weight")) for p in "qkv"]
        grids = [model.affine()[site.name] for site in sites]
        found = units[id(model.layer(sites[0]).weight)].chunk(3)
        for grid, unit in zip(grids, found, strict=True):
            assert set(unit.tolist()) == {((grid.upper - grid.lower) / 15).item()}


@pytest.mark.parametrize("name", ["SwinIR", "DAT"])
def test_float_layers_learn_but_for_what_makes_biases_of_attention(name: str) -> None:
    spec = QuantSpec(4, 4, Coverage.PAPER)
    model = quantize(random_network(name), spec, make_method("minmax", {"patches": 2, "patch_size": 16}), CALIBRATION)
    network = model.model.network
    vector = floats_in_shares(model.model, CALIBRATION.patches(1, 16, seed=0))
    named = {id(parameter): path for path, parameter in network.named_parameters()}
    found = {named[id(parameter)] for parameter in vector.parameters}
    inner = {path for path in found if ".attn." in path and (".pos." in path or "relative" in path)}
    assert not inner
    norms = {path for path in named.values() if ".norm1." in path or ".norm2." in path}
    assert norms
    assert norms <= found
    learned = {id(parameter) for one in (bounds_in_steps, weights_in_steps, biases_in_steps)
               for parameter in one(model.model).parameters}  # fmt: skip
    assert not learned & set(map(id, vector.parameters))
    for parameter, unit in zip(vector.parameters, vector.unit.split(vector.sizes), strict=True):
        owner = network.get_submodule(named[id(parameter)].rpartition(".")[0])
        assert torch.allclose(unit, owner.weight.square().mean().sqrt().expand_as(unit))
