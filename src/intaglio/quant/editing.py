"""Editing weights of a quantized model's float layers: matrices of sites read and written, biases moved along.

The teacher is never touched: `wrap` copied the network. What to write is decided in `intaglio.methods`.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from intaglio.quant.layers import QuantConv2d, QuantLinear
from intaglio.quant.model import QuantModel
from intaglio.quant.policy import SiteInfo


def weight_matrix(model: QuantModel, site: SiteInfo) -> Float64[Tensor, "out k"]:
    """A copy of the weight of a site in double precision, a convolution's as (out, in * kh * kw)."""
    return model.weight(site).detach().flatten(1).double().clone()


@torch.no_grad()
def edit_weight(
    model: QuantModel, site: SiteInfo, matrix: Float[Tensor, "out k"], bias_shift: Float[Tensor, " out"]
) -> None:
    """Replace the weight of a site and add to the bias of its rows; a layer without a bias gets one.

    Shapes: `matrix` as `weight_matrix` gives it, `bias_shift` (out,). Rounded once to the layer's precision.
    """
    layer = model.layer(site)
    assert isinstance(layer, (QuantLinear, QuantConv2d))
    weight = layer.weight_of(site.role)
    weight.copy_(matrix.view_as(weight))
    if layer.bias is None:
        layer.bias = nn.Parameter(layer.weight.new_zeros(layer.weight.shape[0]), requires_grad=False)
    rows = layer.rows(site.role) if isinstance(layer, QuantLinear) else slice(None)
    layer.bias[rows] += bias_shift.to(layer.bias.dtype)
