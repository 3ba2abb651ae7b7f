"""Quantized twins of the float layers: each holds a site for every operand and multiplies what the sites return.

No numerics here: a site is a `Quantizer` (see `quantizers.py`), chosen by a method and set through `QuantModel`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import conv2d, linear, pad

from intaglio.errors import SpecError
from intaglio.quant.apart import apart
from intaglio.quant.quantizers import Quantizer, Unset


def input_role(call: int) -> str:
    """The role of a layer's input in its call of that number, from 0, in a pass.

    >>> input_role(0), input_role(1)
    ('input', 'input2')
    """
    return "input" if call == 0 else f"input{call + 1}"


class QuantLayer(nn.Module):
    """A layer with named sites. `sites` maps a role to its quantizer; roles are the site names' last parts.

    A layer that a network calls `calls` times in a pass has one input site for each call and one for its weight.
    """

    def __init__(self, roles: tuple[str, ...], calls: int = 1) -> None:
        super().__init__()
        # Module names may not hold a dot, roles of fused layers do ("q.weight").
        self.sites = nn.ModuleDict({role.replace(".", "_"): Unset() for role in roles})
        self.roles = roles
        self.calls = calls
        self._called = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """`forward` and its hooks, none of which is part of the network (see `apart`)."""
        with apart():
            return super().__call__(*args, **kwargs)

    def restart(self) -> None:
        """A new pass begins: the next call is the first."""
        self._called = 0

    @property
    def call(self) -> int:
        """The number of the next call in this pass, from 0; always 0 for a layer that is called once."""
        return self._called

    def next_input(self) -> str:
        """The role of the input of this call, and on to the next.

        Raises: SpecError if there is none left (remedy: pictures like the example's).
        """
        if self.calls == 1:
            return "input"
        if self._called == self.calls:
            raise SpecError(
                f"a layer is called more than {self.calls} times in this pass, as often as in the example; calibrate"
                " with pictures like the example, or leave the layer float."
            )
        self._called += 1
        return input_role(self._called - 1)

    def site(self, role: str) -> Quantizer:
        """The quantizer that stands at `role`."""
        quantizer = self.sites[role.replace(".", "_")]
        assert isinstance(quantizer, Quantizer)
        return quantizer

    def set_site(self, role: str, quantizer: Quantizer) -> None:
        """Put `quantizer` at `role`; it takes over the layer's mode, training or evaluation."""
        self.sites[role.replace(".", "_")] = quantizer.train(self.training)

    def weight_of(self, role: str) -> Tensor:
        """The float weight that the site `role` quantizes."""
        raise SpecError(f"site role {role!r} of {type(self).__name__} is no weight; ask for a weight site.")

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any) -> None:
        """As torch's; a bias that a method gave to a layer without one has somewhere to go."""
        weight, bias = getattr(self, "weight", None), getattr(self, "bias", None)
        if isinstance(weight, Tensor) and bias is None and f"{prefix}bias" in state_dict:
            self.register_parameter("bias", nn.Parameter(weight.new_zeros(len(weight)), requires_grad=False))
        super()._load_from_state_dict(state_dict, prefix, *args)


class QuantLinear(QuantLayer):
    """``y = Q(x) Q(W)^T + b``; the parts of a fused layer are slices of output rows with sites of their own.

    Shapes: x (..., in) to (..., out). q, k and v own three input quantizers. The
    weight is sliced by rows, which is right for any number of inputs.
    """

    bias: nn.Parameter | None

    def __init__(self, layer: nn.Linear, parts: tuple[str, ...] = (), calls: int = 1) -> None:
        prefixes = tuple(f"{part}." for part in parts) or ("",)
        own = (*map(input_role, range(calls)), "weight")
        super().__init__(tuple(f"{prefix}{role}" for prefix in prefixes for role in own), calls)
        self.prefixes = prefixes
        self.weight = layer.weight
        self.register_parameter("bias", layer.bias)  # None too, so that an edit can give one
        self.linear: Callable[..., Tensor] = linear
        """What multiplies; a marked copy has an operator that a tracer sees whole (see `markers.py`)."""

    def rows(self, role: str) -> slice:
        """Rows of the stored weight that belong to the part of `role`."""
        part, dot, _ = role.rpartition(".")
        index = self.prefixes.index(part + dot)
        count = self.weight.shape[0] // len(self.prefixes)
        return slice(index * count, (index + 1) * count)

    def weight_of(self, role: str) -> Tensor:
        """Rows of the weight for a role such as ``q.weight``, shape (out of that part, in)."""
        return self.weight[self.rows(role)]

    def forward(self, x: Float[Tensor, "... in"]) -> Float[Tensor, "... out"]:
        """The product of the quantized operands plus the float bias."""
        weights = [self.site(f"{prefix}weight")(self.weight_of(f"{prefix}weight")) for prefix in self.prefixes]
        role = self.next_input()
        inputs = [self.site(f"{prefix}{role}") for prefix in self.prefixes]
        if all(site is inputs[0] for site in inputs):
            return self.linear(inputs[0](x), weights[0] if len(weights) == 1 else torch.cat(weights), self.bias)
        biases = [None] * len(weights) if self.bias is None else self.bias.chunk(len(weights))
        triples = zip(inputs, weights, biases, strict=True)
        return torch.cat([self.linear(site(x), weight, bias) for site, weight, bias in triples], dim=-1)


class QuantConv2d(QuantLayer):
    """A convolution that pads first and quantizes the padded map (numerics page, section 3).

    Shapes: x (N, C, H, W). All of torch's ways of padding: with zeros, reflected, replicated, circular; ``"same"``.
    """

    bias: nn.Parameter | None

    def __init__(self, conv: nn.Conv2d, calls: int = 1) -> None:
        super().__init__((*map(input_role, range(calls)), "weight"), calls)
        self.weight = conv.weight
        assert conv.bias is None or isinstance(conv.bias, nn.Parameter)
        self.register_parameter("bias", conv.bias)
        self.stride, self.dilation, self.groups = conv.stride, conv.dilation, conv.groups
        self.margins = tuple(conv._reversed_padding_repeated_twice)
        self.padding_mode = "constant" if conv.padding_mode == "zeros" else conv.padding_mode

    def weight_of(self, role: str) -> Tensor:
        """The whole weight, shape (out, in / groups, kh, kw)."""
        return self.weight if role == "weight" else super().weight_of(role)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n out h2 w2"]:
        """The convolution of the quantized operands plus the float bias."""
        padded = pad(x, self.margins, self.padding_mode) if any(self.margins) else x
        weight = self.site("weight")(self.weight)
        quantized = self.site(self.next_input())(padded)
        return conv2d(quantized, weight, self.bias, self.stride, 0, self.dilation, self.groups)


class QuantMatMul(QuantLayer):
    """The product of two quantized activations (attention scores, attention times values)."""

    def __init__(self) -> None:
        super().__init__(("a", "b"))
        self.matmul: Callable[..., Tensor] = torch.matmul
        """What multiplies, as in `QuantLinear`."""

    def forward(self, a: Float[Tensor, "... m k"], b: Float[Tensor, "... k n"]) -> Float[Tensor, "... m n"]:
        """``Q(a) @ Q(b)`` over the last two axes."""
        return self.matmul(self.site("a")(a), self.site("b")(b))
