"""Operations on numbers in ONNX that have no sites: activations, sums, norms, pools, resizing, float products."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from intaglio.export.graph import Graph
from intaglio.export.shaping import Emit, padded, side
from intaglio.packed.program import Op

_PLAIN = {
    "relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "softplus": "Softplus", "exp": "Exp", "log": "Log",
    "sqrt": "Sqrt", "abs": "Abs", "neg": "Neg", "reciprocal": "Reciprocal", "mish": "Mish",
}  # fmt: skip
"""Functions that have an operator of their own."""


def activation(graph: Graph, op: Op, inputs: Sequence[str]) -> str:
    """A function of each number."""
    function = op.text("function")
    if function in _PLAIN:
        return graph.node(_PLAIN[function], inputs)
    return _FUNCTIONS[function](graph, op, inputs[0])


def _gelu(graph: Graph, op: Op, x: str) -> str:
    approximate = "tanh" if op.text("function") == "gelu_tanh" else "none"
    return graph.node("Gelu", [x], approximate=approximate)


def _prelu(graph: Graph, op: Op, x: str) -> str:
    slopes = op.tensors["weight"]
    return graph.node("PRelu", [x, graph.constant(slopes.reshape(-1, 1, 1), f"{op.name}.slopes")])


def _hard(graph: Graph, x: str) -> str:
    shifted = graph.node("Add", [graph.node("Mul", [x, graph.number(1 / 6)]), graph.number(0.5)])
    return graph.node("Clip", [shifted, graph.number(0.0), graph.number(1.0)])


_FUNCTIONS: Mapping[str, Callable[[Graph, Op, str], str]] = MappingProxyType(
    {
        "leaky_relu": lambda graph, op, x: graph.node("LeakyRelu", [x], alpha=op.real("slope")),
        "prelu": _prelu,
        "gelu": _gelu,
        "gelu_tanh": _gelu,
        "silu": lambda graph, op, x: graph.node("Mul", [x, graph.node("Sigmoid", [x])]),
        "hard_sigmoid": lambda graph, op, x: _hard(graph, x),
        "hard_swish": lambda graph, op, x: graph.node("Mul", [x, _hard(graph, x)]),
        "clamp": lambda graph, op, x: graph.node(
            "Clip", [x, graph.number(op.real("low")), graph.number(op.real("high"))]
        ),
        "rsqrt": lambda graph, op, x: graph.node("Reciprocal", [graph.node("Sqrt", [x])]),
        "square": lambda graph, op, x: graph.node("Mul", [x, x]),
    }
)


def affine(graph: Graph, op: Op, inputs: Sequence[str]) -> str:
    """``x * scale + offset``."""
    x = graph.node("Mul", [inputs[0], graph.number(op.real("scale"))])
    return graph.node("Add", [x, graph.number(op.real("offset"))]) if op.real("offset") else x


def reduce(graph: Graph, op: Op, inputs: Sequence[str]) -> str:
    """Mean, sum, largest, smallest or biased variance over axes."""
    function, axes, keep, x = op.text("function"), graph.whole(*op.integers("axes")), op.integer("keep"), inputs[0]
    if function == "var":
        centred = graph.node("Sub", [x, graph.node("ReduceMean", [x, axes], keepdims=1)])
        return graph.node("ReduceMean", [graph.node("Mul", [centred, centred]), axes], keepdims=keep)
    return graph.node(f"Reduce{function.capitalize()}", [x, axes], keepdims=keep)


def normalize(graph: Graph, op: Op, inputs: Sequence[str]) -> str:
    """Length 1 along an axis."""
    length = graph.node("ReduceL2", [inputs[0], graph.whole(op.integer("axis"))], keepdims=1)
    return graph.node("Div", [inputs[0], graph.node("Max", [length, graph.number(op.real("eps"))])])


def layer_norm(graph: Graph, op: Op, inputs: Sequence[str]) -> str:
    """LayerNorm over the last axis."""
    weight, bias = (graph.constant(op.tensors[role], f"{op.name}.{role}") for role in ("weight", "bias"))
    return graph.node("LayerNormalization", [inputs[0], weight, bias], axis=-1, epsilon=op.real("eps"))


def pool2d(graph: Graph, op: Op, inputs: Sequence[str]) -> str:
    """The largest number or the mean under each position of a window."""
    down, across = op.integers("padding")
    attributes: dict[str, Any] = {
        "kernel_shape": op.integers("kernel"),
        "strides": op.integers("stride"),
        "pads": (down, across, down, across),
    }
    if op.text("function") == "max":
        return graph.node("MaxPool", inputs, **attributes)
    return graph.node("AveragePool", inputs, count_include_pad=1, **attributes)


_MODES = {"nearest": "nearest", "bilinear": "linear", "bicubic": "cubic"}


def resize(graph: Graph, op: Op, inputs: Sequence[str]) -> str:
    """A map brought to other sides."""
    mode = op.text("mode")
    attributes: dict[str, Any] = {"mode": _MODES[mode], "coordinate_transformation_mode": "half_pixel"}
    if mode == "nearest":
        attributes |= {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    if op.text("to") == "factor":
        scales = graph.constant(np.asarray((1.0, 1.0, *op.reals("factor")), np.float32), "scales")
        return graph.node("Resize", [inputs[0], "", scales], **attributes)
    sides = [side(graph, inputs[0], 0), side(graph, inputs[0], 1), side(graph, inputs[1], 2), side(graph, inputs[1], 3)]
    return graph.node("Resize", [inputs[0], "", "", graph.node("Concat", sides, axis=0)], **attributes)


def float_conv2d(graph: Graph, op: Op, x: str) -> str:
    """A convolution whose weights stayed float."""
    roles = [role for role in ("weight", "bias") if role in op.tensors]
    tensors = [graph.constant(op.tensors[role], f"{op.name}.{role}") for role in roles]
    attributes: dict[str, Any] = {
        "strides": op.integers("stride"),
        "dilations": op.integers("dilation"),
        "group": op.integer("groups"),
        "kernel_shape": op.tensors["weight"].shape[2:],
    }
    if op.text("pad_mode") == "zeros":
        return graph.node("Conv", [x, *tensors], pads=op.integers("padding"), **attributes)
    return graph.node("Conv", [padded(graph, op, x), *tensors], **attributes)


def float_linear(graph: Graph, op: Op, x: str) -> str:
    """A linear layer whose weights stayed float."""
    weight = np.ascontiguousarray(op.tensors["weight"].T)
    y = graph.node("MatMul", [x, graph.constant(weight, f"{op.name}.weight")])
    return graph.node("Add", [y, graph.constant(op.tensors["bias"], f"{op.name}.bias")]) if "bias" in op.tensors else y


def _plain(kind: str) -> Emit:
    return lambda graph, op, inputs: graph.node(kind, inputs)


def _chosen(comparison: str) -> Emit:
    """The larger or smaller of two numbers. OpenVINO refuses Max and Min of shapes that it knows in part only."""
    return lambda graph, op, x: graph.node("Where", [graph.node(comparison, x), *x])


NUMBERS: Mapping[str, Emit] = MappingProxyType(
    {
        "activation": activation,
        "affine": affine,
        "add": _plain("Add"),
        "sub": _plain("Sub"),
        "mul": _plain("Mul"),
        "div": _plain("Div"),
        "maximum": _chosen("Greater"),
        "minimum": _chosen("Less"),
        "reduce": reduce,
        "normalize": normalize,
        "softmax": lambda graph, op, x: graph.node("Softmax", x, axis=op.integer("axis")),
        "layer_norm": layer_norm,
        "pool2d": pool2d,
        "resize": resize,
    }
)
"""The operations of this file by kind."""
