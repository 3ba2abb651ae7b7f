"""Bounds, weights and biases of a model as learned vectors in units of the grids they live on.

One unit is the distance of two neighbouring levels, so that the same rate means the same share of a rounding decision
at 2 bits and at 8, in networks whose values are fractions and in networks whose values run to hundreds.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intaglio.distill.bounds_vector import bounds_in
from intaglio.distill.learned import LearnedVector
from intaglio.quant import AffineQuantizer, QuantModel, SiteInfo
from intaglio.quant.affine import step_of
from intaglio.quant.layers import QuantConv2d, QuantLayer, QuantLinear
from intaglio.quant.work import heard_calls

FloatLayer = nn.LayerNorm | nn.Linear | nn.Conv2d


def bounds_in_steps(model: QuantModel) -> LearnedVector:
    """The bounds of all affine quantizers, each in steps of its grid; a shared quantizer occurs once."""
    return bounds_in(model, _step)


def weights_in_steps(model: QuantModel) -> LearnedVector:
    """The weights of all quantized linears and convolutions, each in steps of its own grid."""
    parts = _parts(model)
    units = [
        torch.cat([_step(_affine(layer, site.role)).expand_as(layer.weight_of(site.role)) for site in sites])
        for layer, sites in parts.items()
    ]
    return LearnedVector([layer.weight for layer in parts], units)


def biases_in_steps(model: QuantModel) -> LearnedVector:
    """The biases of the same layers; one unit is what a step of the weight makes of an input as large as its range."""
    parts = _parts(model)
    biased = [(bias, layer) for layer in parts if (bias := layer.bias) is not None]
    units = [torch.cat([_bias_unit(layer, site) for site in parts[layer]]) for _, layer in biased]
    return LearnedVector([bias for bias, _ in biased], units)


def floats_in_shares(model: QuantModel, example: Float[Tensor, "n c h w"]) -> LearnedVector:
    """Weights and biases of the normalisations, linears and convolutions that stay float; one unit is the root mean
    square of the layer's weight.

    Left as they are: what no such layer owns (tables of relative positions, temperatures), and layers whose output on
    `example` does not depend on it. They make biases of attention, and attention whose bias learns keeps all scores.
    """
    found: dict[Tensor, Tensor] = {}
    for layer in _reached(model.network, example):
        unit = layer.weight.detach().square().mean().sqrt()
        for parameter in (layer.weight, layer.bias):
            if parameter is not None and unit > 0.0:
                found.setdefault(parameter, unit)
    return LearnedVector(list(found), list(found.values()))


def _reached(network: nn.Module, example: Float[Tensor, "n c h w"]) -> list[FloatLayer]:
    """The float layers whose output depends on the picture, in the order in which they run."""
    found: dict[FloatLayer, None] = {}

    def hear(_path: str, module: nn.Module, _args: tuple[Any, ...], output: Tensor) -> None:
        if isinstance(module, FloatLayer) and module.weight is not None and output.requires_grad:
            found[module] = None

    with torch.enable_grad(), heard_calls(network, hear):
        network(example.detach().clone().requires_grad_())
    return list(found)


def _parts(model: QuantModel) -> dict[QuantLinear | QuantConv2d, list[SiteInfo]]:
    """The layers with weights, and their weight sites in the order of the rows they own."""
    found: dict[QuantLinear | QuantConv2d, list[SiteInfo]] = {}
    for site in model.sites.values():
        layer = model.layer(site)
        if site.is_weight and isinstance(layer, (QuantLinear, QuantConv2d)):
            found.setdefault(layer, []).append(site)
    return {layer: sorted(sites, key=lambda site: layer.roles.index(site.role)) for layer, sites in found.items()}


def _bias_unit(layer: QuantLinear | QuantConv2d, site: SiteInfo) -> Tensor:
    inputs = _affine(layer, site.role.removesuffix("weight") + "input")
    step = _step(_affine(layer, site.role)) * (inputs.upper - inputs.lower).detach()
    return step.flatten().expand(layer.weight_of(site.role).shape[0])


def _affine(layer: QuantLayer, role: str) -> AffineQuantizer:
    quantizer = layer.site(role)
    assert isinstance(quantizer, AffineQuantizer), "weights and their inputs have affine grids where weights learn"
    return quantizer


def _step(quantizer: AffineQuantizer) -> Tensor:
    return step_of(quantizer.lower, quantizer.upper, quantizer.bits).detach()
