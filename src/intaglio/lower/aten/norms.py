"""Softmax, reductions, and normalisations that are made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

import numpy as np

from intaglio.lower.graph import Graph, Node
from intaglio.lower.operands import Operands, Result, Rule


def _softmax(t: Operands) -> Node:
    x = t.node("self")
    return t.graph.node("softmax", (x,), x.shape, {"axis": t.axis("dim", len(x.shape))})


def reduce(graph: Graph, x: Node, function: str, axes: Sequence[int], *, keep: bool) -> Node:
    """`mean`, `sum`, `max`, `min` or (biased) `var` over axes."""
    kept = tuple(graph.side(1) if axis in axes else side for axis, side in enumerate(x.shape))
    shape = kept if keep else tuple(side for axis, side in enumerate(x.shape) if axis not in axes)
    return graph.node("reduce", (x,), shape, {"function": function, "axes": tuple(axes), "keep": int(keep)})


def _reduction(function: str) -> Rule:
    def rule(t: Operands) -> Result:
        x = t.node("self")
        axes = t.axes("dim", len(x.shape)) if "dim" in t.call.args else tuple(range(len(x.shape)))
        found = reduce(t.graph, x, function, axes, keep=bool(t.call.args.get("keepdim", False)))
        return found if len(t.shapes) == 1 else [found, None]

    return rule


def _variance(t: Operands, x: Node) -> Node:
    axes = t.axes("dim", len(x.shape))
    correction = t.number("correction") if t.has("correction") else 1.0
    found = reduce(t.graph, x, "var", axes, keep=bool(t.call.args.get("keepdim", False)))
    if correction == 0.0:
        return found
    count = {prod(sides) for sides in zip(*(x.shape[axis] for axis in axes), strict=True)}
    if len(count) > 1:
        t.refuse("takes an unbiased variance over the picture; programs have the biased one (unbiased=False)")
    (n,) = count
    return t.graph.affine(found, n / (n - correction), 0.0)


def _var(t: Operands) -> Node:
    return _variance(t, t.node("self"))


def _std(t: Operands) -> Node:
    return t.graph.activation(_variance(t, t.node("self")), "sqrt")


def _var_mean(t: Operands) -> list[Node | None]:
    x = t.node("self")
    keep = bool(t.call.args.get("keepdim", False))
    return [_variance(t, x), reduce(t.graph, x, "mean", t.axes("dim", len(x.shape)), keep=keep)]


def _length(order: str) -> Rule:
    def rule(t: Operands) -> Node:
        x = t.node("self")
        if t.has(order) and t.number(order) not in (1.0, 2.0):
            t.refuse("takes a norm that is neither the first nor the second")
        keep = bool(t.call.args.get("keepdim", False))
        axes = t.axes("dim", len(x.shape))
        if t.has(order) and t.number(order) == 1.0:
            return reduce(t.graph, t.graph.activation(x, "abs"), "sum", axes, keep=keep)
        squares = reduce(t.graph, t.graph.activation(x, "square"), "sum", axes, keep=keep)
        return t.graph.activation(squares, "sqrt")

    return rule


def _layer_norm(t: Operands) -> list[Node | None]:
    x, lengths = t.node("input"), t.integers("normalized_shape")
    if len(lengths) != 1:
        t.refuse("normalises over several axes; programs have layer_norm over the last one")
    weight = t.array("weight") if t.has("weight") else np.ones(lengths, np.float32)
    bias = t.array("bias") if t.has("bias") else np.zeros(lengths, np.float32)
    node = t.graph.node("layer_norm", (x,), x.shape, {"eps": t.number("eps")}, {"weight": weight, "bias": bias})
    return [node, None, None]


def _batch_norm(t: Operands) -> list[Node | None]:
    x = t.node("input")
    if t.call.args.get("training"):
        t.refuse("normalises by statistics of the batch; put the network in evaluation mode")
    weight = t.array("weight") if t.has("weight") else np.float32(1.0)
    bias = t.array("bias") if t.has("bias") else np.float32(0.0)
    mean, variance = t.array("running_mean").astype(np.float64), t.array("running_var").astype(np.float64)
    scale = weight / np.sqrt(variance + t.number("eps"))
    out = _per_channel(t.graph, x, scale, bias - mean * scale)
    return [out, *(None for _ in t.shapes[1:])]


def _per_channel(graph: Graph, x: Node, scale: np.ndarray, offset: np.ndarray) -> Node:
    """``x * scale + offset`` with one pair for each entry of axis 1."""
    column = (-1, *(1,) * (len(x.shape) - 2))
    scaled = graph.binary("mul", x, graph.constant(np.reshape(scale, column)))
    return graph.binary("add", scaled, graph.constant(np.reshape(offset, column)))


def _group_norm(t: Operands) -> list[Node | None]:
    x, groups = t.node("input"), t.integer("group")
    channels = x.shape[1][0]
    values = tuple(channels // groups * prod(sides) for sides in zip(*x.shape[2:], strict=True))
    split = t.graph.reshape(x, (t.graph.side(1), t.graph.side(groups), values))
    mean = reduce(t.graph, split, "mean", (2,), keep=True)
    variance = reduce(t.graph, split, "var", (2,), keep=True)
    inverse = t.graph.activation(t.graph.affine(variance, 1.0, t.number("eps")), "rsqrt")
    normal = t.graph.binary("mul", t.graph.binary("sub", split, mean), inverse)
    out = t.graph.reshape(normal, x.shape)
    if t.has("weight"):
        bias = t.array("bias") if t.has("bias") else np.zeros(channels, np.float32)
        out = _per_channel(t.graph, out, t.array("weight"), bias)
    return [out, None, None]


RULES: Mapping[str, Rule] = {
    "aten._softmax.default": _softmax,
    **{
        f"aten.{name}.{overload}": _reduction(function)
        for name, function in (("mean", "mean"), ("sum", "sum"), ("amax", "max"), ("amin", "min"), ("max", "max"))
        for overload in ("default", "dim", "dim_IntList")
    },
    "aten.min.dim": _reduction("min"),
    "aten.var.correction": _var,
    "aten.std.correction": _std,
    "aten.var_mean.correction": _var_mean,
    "aten.linalg_vector_norm.default": _length("ord"),
    "aten.norm.ScalarOpt_dim": _length("p"),
    "aten.native_layer_norm.default": _layer_norm,
    **{
        f"aten.{name}.default": _batch_norm
        for name in ("native_batch_norm", "_native_batch_norm_legit_no_training", "cudnn_batch_norm")
    },
    "aten.native_group_norm.default": _group_norm,
}
