"""Quantized twins of the float layers: each holds a site for every operand and multiplies what the sites return.

No numerics here: a site is a `Quantizer` (see `quantizers.py`), chosen by a method and set through `QuantModel`.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import conv2d, linear, pad

from intaglio.errors import SpecError
from intaglio.quant.quantizers import Quantizer, Unset


class QuantLayer(nn.Module):
    """A layer with named sites. `sites` maps a role to its quantizer; roles are the site names' last parts."""

    def __init__(self, roles: tuple[str, ...]) -> None:
        super().__init__()
        # Module names may not hold a dot, roles of fused layers do ("q.weight").
        self.sites = nn.ModuleDict({role.replace(".", "_"): Unset() for role in roles})
        self.roles = roles

    def site(self, role: str) -> Quantizer:
        """The quantizer that stands at `role`."""
        quantizer = self.sites[role.replace(".", "_")]
        assert isinstance(quantizer, Quantizer)
        return quantizer

    def set_site(self, role: str, quantizer: Quantizer) -> None:
        """Put `quantizer` at `role`."""
        self.sites[role.replace(".", "_")] = quantizer

    def weight_of(self, role: str) -> Tensor:
        """The float weight that the site `role` quantizes."""
        raise SpecError(f"site role {role!r} of {type(self).__name__} is no weight; ask for a weight site.")


class QuantLinear(QuantLayer):
    """``y = Q(x) Q(W)^T + b``; the parts of a fused layer are slices of output rows with sites of their own.

    Shapes: x (..., in) to (..., out). Parts: methods.md, section 2 (q, k and v own three input quantizers). The
    weight is sliced by rows, which is right for any number of inputs.
    """

    def __init__(self, layer: nn.Linear, parts: tuple[str, ...] = ()) -> None:
        prefixes = tuple(f"{part}." for part in parts) or ("",)
        super().__init__(tuple(f"{prefix}{role}" for prefix in prefixes for role in ("input", "weight")))
        self.prefixes = prefixes
        self.weight = layer.weight
        self.bias = layer.bias

    def rows(self, role: str) -> slice:
        """Rows of the stored weight that belong to the part of `role`."""
        index = self.prefixes.index(role.removesuffix("weight").removesuffix("input"))
        count = self.weight.shape[0] // len(self.prefixes)
        return slice(index * count, (index + 1) * count)

    def weight_of(self, role: str) -> Tensor:
        """Rows of the weight for a role such as ``q.weight``, shape (out of that part, in)."""
        return self.weight[self.rows(role)]

    def forward(self, x: Float[Tensor, "... in"]) -> Float[Tensor, "... out"]:
        """The product of the quantized operands plus the float bias."""
        weights = [self.site(f"{prefix}weight")(self.weight_of(f"{prefix}weight")) for prefix in self.prefixes]
        inputs = [self.site(f"{prefix}input") for prefix in self.prefixes]
        if all(site is inputs[0] for site in inputs):
            return linear(inputs[0](x), weights[0] if len(weights) == 1 else torch.cat(weights), self.bias)
        biases = [None] * len(weights) if self.bias is None else self.bias.chunk(len(weights))
        triples = zip(inputs, weights, biases, strict=True)
        return torch.cat([linear(site(x), weight, bias) for site, weight, bias in triples], dim=-1)


class QuantConv2d(QuantLayer):
    """A convolution that pads with zero first and quantizes the padded map (numerics page, section 3).

    Shapes: x (N, C, H, W). Raises: SpecError for padding modes other than zeros (remedy: leave that layer float).
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__(("input", "weight"))
        if conv.padding_mode != "zeros" or isinstance(conv.padding, str):
            raise SpecError(
                f"a convolution pads by {conv.padding_mode!r}/{conv.padding!r}; only numbers of zeros are supported."
            )
        self.weight = conv.weight
        self.bias = conv.bias
        self.stride, self.dilation, self.groups = conv.stride, conv.dilation, conv.groups
        self.margins = (conv.padding[1], conv.padding[1], conv.padding[0], conv.padding[0])

    def weight_of(self, role: str) -> Tensor:
        """The whole weight, shape (out, in / groups, kh, kw)."""
        return self.weight if role == "weight" else super().weight_of(role)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n out h2 w2"]:
        """The convolution of the quantized operands plus the float bias."""
        padded = pad(x, self.margins) if any(self.margins) else x
        weight = self.site("weight")(self.weight)
        return conv2d(self.site("input")(padded), weight, self.bias, self.stride, 0, self.dilation, self.groups)


class QuantMatMul(QuantLayer):
    """The product of two quantized activations (attention scores, attention times values)."""

    def __init__(self) -> None:
        super().__init__(("a", "b"))

    def forward(self, a: Float[Tensor, "... m k"], b: Float[Tensor, "... k n"]) -> Float[Tensor, "... m n"]:
        """``Q(a) @ Q(b)`` over the last two axes."""
        product: Tensor = self.site("a")(a) @ self.site("b")(b)
        return product
