"""Editing weights of a quantized model's float layers: matrices of sites read and written, biases moved along.

The teacher is never touched: `wrap` copied the network. What to write is decided in `intaglio.methods`.
"""

from __future__ import annotations

from collections.abc import Sequence

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
    rows = layer.rows(site.role) if isinstance(layer, QuantLinear) else slice(None)
    bias = _bias_of(layer)
    bias[rows] += bias_shift.to(bias.dtype)


def _bias_of(layer: QuantLinear | QuantConv2d | nn.Linear) -> Tensor:
    """The bias of a layer, which gets one of zeros if it has none."""
    if layer.bias is None:
        bias = nn.Parameter(layer.weight.new_zeros(layer.weight.shape[0]), requires_grad=False)
        layer.register_parameter("bias", bias)
    assert layer.bias is not None
    return layer.bias


def fold_into_norm(
    model: QuantModel, norm: str, readers: Sequence[str], *, shift: Float64[Tensor, " k"], scale: Float64[Tensor, " k"]
) -> None:
    """Let the LayerNorm at path `norm` give ``(x + shift) / scale`` and the linear layers at `readers` undo it.

    The network computes what it did, to rounding, if nothing else reads the LayerNorm. `scale` is positive. A layer
    without a bias gets one.
    """
    layers = [model.network.get_submodule(path) for path in readers]
    shift_and_scale(model.network.get_submodule(norm), layers, shift, scale)


@torch.no_grad()
def shift_and_scale(
    norm: nn.Module, readers: Sequence[nn.Module], shift: Float64[Tensor, " k"], scale: Float64[Tensor, " k"]
) -> None:
    """`fold_into_norm` on modules, quantized linears or float ones."""
    assert isinstance(norm, nn.LayerNorm)
    norm.bias.copy_((norm.bias.double() + shift) / scale)
    norm.weight.copy_(norm.weight.double() / scale)
    for layer in readers:
        assert isinstance(layer, (QuantLinear, nn.Linear))
        weight, bias = layer.weight.double(), _bias_of(layer)
        bias.copy_(bias.double() - weight @ shift)
        layer.weight.copy_(weight * scale)
