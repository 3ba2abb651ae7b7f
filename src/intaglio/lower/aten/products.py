"""Linears, convolutions and products of two activations: what has sites."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from intaglio.lower.align import Constant, Shape
from intaglio.lower.graph import Node
from intaglio.lower.operands import Operands, Rule
from intaglio.spec import SiteName


def _linear(t: Operands) -> Node:
    bias = t.array("bias") if t.has("bias") else None
    return _linear_of(t, t.node("x"), t.array("weight"), bias, t.weight_site("weight"), t.shape)


def _linear_of(
    t: Operands,
    x: Node,
    weight: NDArray[np.float32],
    bias: NDArray[np.float32] | None,
    weight_site: SiteName | None,
    shape: Shape,
) -> Node:
    x, input_site = t.graph.operand(x)
    tensors = {"weight": weight} | ({} if bias is None else {"bias": bias})
    return t.graph.node("linear", (x,), shape, {}, tensors, _sites(t, input_site, weight_site))


def _sites(t: Operands, input_site: SiteName | None, weight_site: SiteName | None) -> dict[str, SiteName]:
    if (input_site is None) != (weight_site is None):
        t.refuse("one of input and weight has a site and the other has none; programs quantize both or neither")
    return {} if input_site is None or weight_site is None else {"input": input_site, "weight": weight_site}


def _addmm(t: Operands) -> Node:
    if not isinstance(t.raw("mat2"), Constant) or not isinstance(t.raw("self"), Constant):
        product = t.graph.matmul(t.node("mat1"), t.node("mat2"))
        return t.graph.binary("add", t.node("self"), product)
    weight = np.ascontiguousarray(t.array("mat2").T)
    return _linear_of(t, t.node("mat1"), weight, t.array("self"), None, t.shape)


def _matmul(first: str, second: str) -> Rule:
    def rule(t: Operands) -> Node:
        a, b = t.raw(first), t.raw(second)
        if isinstance(b, Constant) and b.fixed and b.tensors[0].dim() == 2 and isinstance(a, Node) and b.site is None:
            return _linear_of(t, a, np.ascontiguousarray(t.array(second).T), None, None, t.shape)
        return t.graph.matmul(t.as_node(a), t.as_node(b))

    return rule


def _baddbmm(t: Operands) -> Node:
    product = t.graph.matmul(t.node("batch1"), t.node("batch2"))
    scaled = t.graph.affine(product, t.number("alpha"), 0.0)
    beta = t.number("beta")
    if beta == 0.0:
        return scaled
    return t.graph.binary("add", t.graph.affine(t.node("self"), beta, 0.0), scaled)


def _convolution(t: Operands) -> Node:
    weight = t.array("weight")
    x = t.node("input")
    if t.raw("transposed"):
        return _transposed(t, x, weight)
    if weight.ndim == 3:
        return _along_a_line(t, x, weight)
    if weight.ndim != 4 or len(x.shape) != 4:
        t.refuse("is a convolution over more than two axes, which programs do not have")
    return _convolution_of(t, x, weight, t.pair("stride"), t.pair("padding"), t.pair("dilation"), t.shape)


def _transposed(t: Operands, x: Node, weight: NDArray[np.float32]) -> Node:
    """A transposed convolution of stride s as a convolution that makes s * s maps of each, and a pixel shuffle.

    Output s * u + r is a sum over inputs u - d of the weights at s * d + r + padding; those of each phase r make a
    kernel of their own.
    """
    stride, padding = t.pair("stride"), t.pair("padding")
    plain = weight.ndim == 4 and t.integer("groups") == 1 and set(t.integers("dilation")) == {1}
    if not plain or stride[0] != stride[1]:
        t.refuse("is a transposed convolution with groups, dilation, or different strides; programs have none of these")
    factor = stride[0]
    inputs, outputs = weight.shape[:2]
    (low, high), (left, right) = (_taps(weight.shape[2 + i], factor, padding[i]) for i in range(2))
    phases = np.zeros((outputs, factor, factor, inputs, high - low + 1, right - left + 1), np.float32)
    for down, across in np.ndindex(factor, factor):
        for d, e in np.ndindex(phases.shape[-2:]):
            row, column = factor * (high - d) + down + padding[0], factor * (right - e) + across + padding[1]
            if 0 <= row < weight.shape[2] and 0 <= column < weight.shape[3]:
                phases[:, down, across, :, d, e] = weight[:, :, row, column].T
    attrs = {"stride": (1, 1), "padding": (high, right, -low, -left), "dilation": (1, 1), "groups": 1} | {
        "pad_mode": "zeros"
    }
    maps = outputs * factor * factor
    tensors: dict[str, NDArray[np.float32]] = {"weight": phases.reshape(maps, inputs, *phases.shape[-2:])}
    if t.has("bias"):
        tensors["bias"] = np.repeat(t.array("bias"), factor * factor)
    fine = t.graph.node("conv2d", (x,), (x.shape[0], t.graph.side(maps), *x.shape[2:]), attrs, tensors)
    sides = [tuple(factor * length for length in side) for side in x.shape[2:]]
    if any(
        length < wanted
        for side, out in zip(sides, t.shape[2:], strict=True)
        for length, wanted in zip(side, out, strict=True)
    ):
        t.refuse("is a transposed convolution whose output is longer than stride times its input; programs have none")
    y = t.graph.node("pixel_shuffle", (fine,), (x.shape[0], t.shape[1], *sides), {"factor": factor})
    for axis in (2, 3):
        y = t.graph.slice(y, axis, t.graph.side(0), t.shape[axis])
    return y


def _taps(kernel: int, factor: int, padding: int) -> tuple[int, int]:
    """The least and the greatest distance in inputs that a phase reads, zero among them."""
    low = min(-(-(-padding - phase) // factor) for phase in range(factor))
    high = max((kernel - 1 - padding - phase) // factor for phase in range(factor))
    return min(low, 0), max(high, 0)


def _along_a_line(t: Operands, x: Node, weight: NDArray[np.float32]) -> Node:
    """A convolution over one axis is one over a map of one row."""
    row = t.graph.reshape(x, (*x.shape[:2], t.graph.side(1), x.shape[2]))
    (stride,), (padding,), (dilation,) = (t.integers(name) for name in ("stride", "padding", "dilation"))
    shape = (*t.shape[:2], t.graph.side(1), t.shape[2])
    out = _convolution_of(t, row, weight[:, :, None], (1, stride), (0, padding), (1, dilation), shape)
    return t.graph.reshape(out, t.shape)


def _convolution_of(
    t: Operands,
    x: Node,
    weight: NDArray[np.float32],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
    shape: Shape,
) -> Node:
    x, input_site = t.graph.operand(x)
    margins, mode = (padding[0], padding[1], padding[0], padding[1]), "zeros"
    if padding == (0, 0):
        x, margins, mode = _unpadded(x)
    elif input_site is not None:
        t.refuse("quantizes its input before padding; programs quantize the padded map")
    attrs = {
        "stride": stride, "padding": margins, "dilation": dilation, "groups": t.integer("groups"), "pad_mode": mode,
    }  # fmt: skip
    tensors = {"weight": weight} | ({"bias": t.array("bias")} if t.has("bias") else {})
    return t.graph.node("conv2d", (x,), shape, attrs, tensors, _sites(t, input_site, t.weight_site("weight")))


def _unpadded(x: Node) -> tuple[Node, tuple[int, int, int, int], str]:
    """The map before a padding that a convolution does itself, and that padding."""
    none = (0, 0, 0, 0)
    if x.kind != "pad" or x.attrs["mode"] not in ("zero", "reflect") or x.attrs["value"] != 0.0:
        return x, none, "zeros"
    (*outer, top, bottom, left, right) = x.attrs["widths"]
    inner = (top, left, bottom, right)
    if any(any(side) for side in outer) or any(len(set(side)) > 1 or side[0] > 64 for side in inner):
        return x, none, "zeros"
    margins = (top[0], left[0], bottom[0], right[0])
    return x.inputs[0], margins, "zeros" if x.attrs["mode"] == "zero" else "reflect"


RULES: Mapping[str, Rule] = {
    "intaglio.linear.default": _linear,
    "intaglio.matmul.default": _matmul("a", "b"),
    "aten.addmm.default": _addmm,
    "aten.mm.default": _matmul("self", "mat2"),
    "aten.bmm.default": _matmul("self", "mat2"),
    "aten.baddbmm.default": _baddbmm,
    "aten.convolution.default": _convolution,
}
