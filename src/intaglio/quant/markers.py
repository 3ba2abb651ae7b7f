"""Marker operators: how sites show in a network that is traced, so that nobody has to guess where they are.

`marked` gives a copy of a quantized model in which every quantizer is followed by `intaglio::site`, an operator that
changes nothing and carries the site's name. A tracer that runs the copy on tensors without values (fake tensors, or
`torch.export`) meets the marker alone; real tensors, such as weights, are quantized as ever.
"""

from __future__ import annotations

import copy

import torch
from jaxtyping import Float
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor

from intaglio.quant.model import QuantModel
from intaglio.quant.policy import SiteInfo
from intaglio.quant.quantizers import Quantizer
from intaglio.spec import SiteName

_LIBRARY = torch.library.Library("intaglio", "DEF")  # type: ignore[no-untyped-call]
_LIBRARY.define("site(Tensor x, str name) -> Tensor")  # type: ignore[no-untyped-call]
_LIBRARY.define("linear(Tensor x, Tensor weight, Tensor? bias) -> Tensor")  # type: ignore[no-untyped-call]
_LIBRARY.define("matmul(Tensor a, Tensor b) -> Tensor")  # type: ignore[no-untyped-call]


def _site(x: Tensor, name: str) -> Tensor:
    return x.clone()


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    product = x.flatten(0, -2) @ weight.t() if x.dim() > 1 else x @ weight.t()
    return (product if bias is None else product + bias).view(*x.shape[:-1], len(weight))


def _matmul(a: Tensor, b: Tensor) -> Tensor:
    axes = torch.broadcast_shapes(a.shape[:-2], b.shape[:-2])  # type: ignore[no-untyped-call]
    a, b = a.expand(*axes, *a.shape[-2:]), b.expand(*axes, *b.shape[-2:])
    return torch.bmm(a.reshape(-1, *a.shape[-2:]), b.reshape(-1, *b.shape[-2:])).view(*axes, a.shape[-2], b.shape[-1])


def _site_shape(x: Tensor, name: str) -> Tensor:
    return torch.empty_like(x)


def _linear_shape(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return x.new_empty(*x.shape[:-1], weight.shape[0])


def _matmul_shape(a: Tensor, b: Tensor) -> Tensor:
    axes = torch.broadcast_shapes(a.shape[:-2], b.shape[:-2])  # type: ignore[no-untyped-call]
    return a.new_empty(*axes, a.shape[-2], b.shape[-1])


for _name, _compute, _shape in (
    ("site", _site, _site_shape),
    ("linear", _linear, _linear_shape),
    ("matmul", _matmul, _matmul_shape),
):
    _LIBRARY.impl(_name, _compute, "CompositeExplicitAutograd")  # type: ignore[no-untyped-call]
    torch.library.register_fake(f"intaglio::{_name}", _shape, lib=_LIBRARY)


class Marked(Quantizer):
    """A quantizer and the name of the site that it stands at; tensors without values get the name alone.

    >>> from intaglio.quant.quantizers import Unset
    >>> Marked(Unset(), "fc:input")(torch.ones(1)).tolist()
    [1.0]
    """

    def __init__(self, quantizer: Quantizer, name: SiteName) -> None:
        super().__init__()
        self.quantizer = quantizer
        self.name = name

    def forward(self, x: Float[Tensor, ...]) -> Float[Tensor, ...]:
        """The marked levels, or `x` marked where it has no values."""
        valueless = isinstance(x, FakeTensor) or torch.compiler.is_exporting()
        marked: Tensor = torch.ops.intaglio.site(x if valueless else self.quantizer(x), self.name)
        return marked


def name_of(site: SiteInfo, role: str) -> SiteName:
    """The name of a site for one of its readers, as programs list them: a shared quantizer has one name for each."""
    part, _, operand = role.rpartition(".")
    return f"{site.path}.{part}:{operand}" if part else f"{site.path}:{operand}"


def marked(model: QuantModel) -> QuantModel:
    """A copy of a model, set or unset, whose sites are marked and whose products are operators of their own; in
    evaluation mode."""
    copied = copy.deepcopy(model).eval()
    for site in copied.sites.values():
        layer = copied.layer(site)
        for role in site.readers:
            layer.set_site(role, Marked(layer.site(role), name_of(site, role)))
        for product in ("linear", "matmul"):
            if hasattr(layer, product):
                setattr(layer, product, getattr(torch.ops.intaglio, product))
    return copied
