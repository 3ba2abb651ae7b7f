"""Sums, products, activations: what is done value by value."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from intaglio.lower.align import Constant
from intaglio.lower.graph import Node
from intaglio.lower.operands import Operands, Rule

LARGEST = float(np.finfo(np.float32).max)

UNBOUNDED = 1e30
"""The end of a clamp that has none."""

_PLAIN = {
    "relu": "relu", "sigmoid": "sigmoid", "tanh": "tanh", "silu": "silu", "mish": "mish", "hardswish": "hard_swish",
    "hardsigmoid": "hard_sigmoid", "exp": "exp", "log": "log", "sqrt": "sqrt", "rsqrt": "rsqrt", "abs": "abs",
    "neg": "neg", "reciprocal": "reciprocal", "square": "square",
}  # fmt: skip

_POWERS = {2.0: "square", 0.5: "sqrt", -0.5: "rsqrt", -1.0: "reciprocal"}


def _plain(function: str) -> Rule:
    return lambda t: t.graph.activation(t.node("self"), function)


def _add(t: Operands) -> Node:
    alpha = t.number("alpha") if t.has("alpha") else 1.0
    a, b = t.raw("self"), t.raw("other")
    if alpha != 1.0:
        b = t.graph.affine(t.as_node(b), alpha, 0.0)
    return _sum(t, a, b)


def _sum(t: Operands, a: object, b: object) -> Node:
    for x, other in ((a, b), (b, a)):
        number = t.scalar(other)
        if number is not None:
            return t.graph.affine(t.as_node(x), 1.0, number)
    if isinstance(a, Constant):
        a, b = b, a
    result = t.as_node(a)
    for addend in t.addends(b) if isinstance(b, Constant) else [t.as_node(b)]:
        result = t.graph.binary("add", result, addend)
    return result


def _sub(t: Operands) -> Node:
    alpha = t.number("alpha") if t.has("alpha") else 1.0
    return _difference(t, t.raw("self"), t.raw("other"), alpha)


def _rsub(t: Operands) -> Node:
    alpha = t.number("alpha") if t.has("alpha") else 1.0
    return _difference(t, t.raw("other"), t.raw("self"), alpha)


def _difference(t: Operands, a: object, b: object, alpha: float) -> Node:
    number = t.scalar(b)
    if number is not None:
        return t.graph.affine(t.as_node(a), 1.0, -number * alpha)
    number = t.scalar(a)
    if number is not None:
        return t.graph.affine(t.as_node(b), -alpha, number)
    subtrahend = t.as_node(b)
    return t.graph.binary("sub", t.as_node(a), subtrahend if alpha == 1.0 else t.graph.affine(subtrahend, alpha, 0.0))


def _mul(t: Operands) -> Node:
    a, b = t.raw("self"), t.raw("other")
    for x, other in ((a, b), (b, a)):
        number = t.scalar(other)
        if number is not None:
            return t.graph.affine(t.as_node(x), number, 0.0)
    return t.graph.binary("mul", t.as_node(a), t.as_node(b))


def _div(t: Operands) -> Node:
    a, b = t.raw("self"), t.raw("other")
    if t.call.args.get("rounding_mode") is not None:
        t.refuse("divides with rounding, which programs cannot")
    number = t.scalar(b)
    if number is not None and number != 0.0 and np.frexp(number)[0] in (0.5, -0.5):
        return t.graph.affine(t.as_node(a), 1.0 / number, 0.0)  # exact: the divisor is a power of two
    if t.scalar(a) == 1.0:
        return t.graph.activation(t.as_node(b), "reciprocal")
    return t.graph.binary("div", t.as_node(a), t.as_node(b))


def _extreme(kind: str) -> Rule:
    return lambda t: t.graph.binary(kind, t.node("self"), t.node("other"))


def _power(t: Operands) -> Node:
    x, exponent = t.node("self"), t.number("exponent")
    if exponent in _POWERS:
        return t.graph.activation(x, _POWERS[exponent])
    if exponent == 1.0:
        return x
    if exponent in (3.0, 4.0):
        squared = t.graph.activation(x, "square")
        return t.graph.binary("mul", squared, x if exponent == 3.0 else squared)
    return t.refuse(f"raises to the power {exponent:g}; programs have 2, 3, 4, 1/2, -1/2 and -1")


def _leaky_relu(t: Operands) -> Node:
    return t.graph.activation(t.node("self"), "leaky_relu", slope=t.number("negative_slope"))


def _gelu(t: Operands) -> Node:
    return t.graph.activation(t.node("self"), "gelu" if t.raw("approximate") == "none" else "gelu_tanh")


def _softplus(t: Operands) -> Node:
    if (t.number("beta"), t.number("threshold")) != (1.0, 20.0):
        t.refuse("programs have softplus with beta 1 and threshold 20 alone")
    return t.graph.activation(t.node("self"), "softplus")


def _clamp(low: str | None, high: str | None) -> Rule:
    def rule(t: Operands) -> Node:
        ends = [t.number(name) if name and t.has(name) else end for name, end in ((low, -UNBOUNDED), (high, UNBOUNDED))]
        return t.graph.activation(t.node("self"), "clamp", low=ends[0], high=ends[1])

    return rule


def _relu6(t: Operands) -> Node:
    return t.graph.activation(t.node("self"), "clamp", low=0.0, high=6.0)


def _prelu(t: Operands) -> Node:
    x, slopes = t.node("self"), t.array("weight").ravel()
    if len(x.shape) < 2 or (slopes.size != 1 and t.graph.side(slopes.size) != x.shape[1]):
        t.refuse("its slopes do not lie along the second axis")
    return t.graph.prelu(x, slopes)


def _masked_fill(t: Operands) -> Node:
    mask, value = t.raw("mask"), t.scalar(t.raw("value"))
    if value is None:
        t.refuse("fills with a value that is computed")
    return _filled(t, t.node("self"), mask, value)


def _filled(t: Operands, x: Node, mask: object, value: float) -> Node:
    """`value` where a fixed mask is set, `x` elsewhere."""
    if not isinstance(mask, Constant) or not mask.fixed:
        t.refuse("its mask depends on the picture or its size; programs have masks of fixed size only")
    set_ = mask.tensors[0].to(torch.bool).numpy()
    if value <= -1e4:
        # A score is never below such a value, so that the least of both is the filled one; infinity has no place in a
        # file, and the softmax of the smallest number is zero all the same.
        return t.graph.binary("minimum", x, t.graph.constant(np.where(set_, max(value, -LARGEST), LARGEST)))
    kept = t.graph.binary("mul", x, t.graph.constant(np.where(set_, 0.0, 1.0)))
    return t.graph.binary("add", kept, t.graph.constant(np.where(set_, value, 0.0)))


def _where(t: Operands) -> Node:
    condition, a, b = (t.raw(name) for name in ("condition", "self", "other"))
    for x, other, inverted in ((a, b, True), (b, a, False)):
        number = t.scalar(other)
        if number is not None and isinstance(condition, Constant):
            tensors = tuple(~c.bool() if inverted else c.bool() for c in condition.tensors)
            return _filled(t, t.as_node(x), Constant(tensors), number)
    return t.refuse("chooses between tensors, which programs cannot")


def _same(t: Operands) -> Node:
    return t.node("self")


def _to_copy(t: Operands) -> Node:
    dtype = t.raw("dtype")
    if dtype not in (None, torch.float32):
        t.refuse(f"turns values into {dtype}; programs compute in single precision")
    return t.node("self")


def _copy(t: Operands) -> Node:
    return t.graph.expand(t.node("src"), t.shape)


def _glu(t: Operands) -> Node:
    x = t.node("self")
    axis = t.axis("dim", len(x.shape))
    half = tuple(side // 2 for side in x.shape[axis])
    first = t.graph.slice(x, axis, t.graph.side(0), half)
    gate = t.graph.slice(x, axis, half, x.shape[axis])
    return t.graph.binary("mul", first, t.graph.activation(gate, "sigmoid"))


def _site(t: Operands) -> Node:
    return t.graph.site(t.node("x"), t.call.args["name"])


def _overloads(name: str, rule: Rule) -> dict[str, Rule]:
    return {f"aten.{name}.{overload}": rule for overload in ("default", "Tensor", "Scalar", "Tensor_Scalar")}


RULES: Mapping[str, Rule] = {
    **{key: rule for name, function in _PLAIN.items() for key, rule in _overloads(name, _plain(function)).items()},
    **_overloads("add", _add),
    **_overloads("sub", _sub),
    **_overloads("rsub", _rsub),
    **_overloads("mul", _mul),
    **_overloads("div", _div),
    "aten.div.Tensor_mode": _div,
    **_overloads("maximum", _extreme("maximum")),
    **_overloads("minimum", _extreme("minimum")),
    "aten.max.other": _extreme("maximum"),
    "aten.min.other": _extreme("minimum"),
    **_overloads("pow", _power),
    "aten.leaky_relu.default": _leaky_relu,
    "aten.gelu.default": _gelu,
    "aten.softplus.default": _softplus,
    "aten.clamp.default": _clamp("min", "max"),
    "aten.clamp_min.default": _clamp("min", None),
    "aten.clamp_max.default": _clamp(None, "max"),
    "aten.hardtanh.default": _clamp("min_val", "max_val"),
    "aten.relu6.default": _relu6,
    "aten._prelu_kernel.default": _prelu,
    "aten.prelu.default": _prelu,
    "aten.glu.default": _glu,
    "aten.masked_fill.Scalar": _masked_fill,
    "aten.masked_fill.Tensor": _masked_fill,
    "aten.where.self": _where,
    "aten.where.ScalarOther": _where,
    "aten.where.ScalarSelf": _where,
    **{
        f"aten.{name}.default": _same
        for name in ("clone", "alias", "detach", "contiguous", "lift_fresh", "lift_fresh_copy", "dropout")
    },
    "aten._to_copy.default": _to_copy,
    "aten.copy.default": _copy,
    "intaglio.site.default": _site,
}
