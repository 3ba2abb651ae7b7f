"""Operations on numbers, place by place or along axes: sums and products, reductions, normalisations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from intaglio._shapes import Float32
from intaglio.packed.definition import Picture
from intaglio.packed.program import Op
from intaglio.runtime.reference.probe import Probe

Value = Float32[np.ndarray, "..."]

BINARY: Mapping[str, Callable[[Value, Value], Value]] = MappingProxyType(
    {
        "add": np.add,
        "sub": np.subtract,
        "mul": np.multiply,
        "div": np.divide,
        "maximum": np.maximum,
        "minimum": np.minimum,
    }
)


def binary(op: Op, inputs: Sequence[Value], probe: Probe, picture: Picture) -> Value:
    """Two values, place by place."""
    return np.asarray(BINARY[op.kind](*inputs))


def affine(op: Op, inputs: Sequence[Value], probe: Probe, picture: Picture) -> Value:
    """``x * scale + offset``, two roundings."""
    return np.asarray(inputs[0] * np.float32(op.real("scale")) + np.float32(op.real("offset")))


_REDUCTIONS: Mapping[str, Callable[..., Value]] = MappingProxyType(
    {"mean": np.mean, "sum": np.sum, "max": np.max, "min": np.min, "var": np.var}
)


def reduce(op: Op, inputs: Sequence[Value], probe: Probe, picture: Picture) -> Value:
    """A statistic over axes, formed in double precision and rounded once."""
    function = _REDUCTIONS[op.text("function")]
    wide = function(inputs[0].astype(np.float64), axis=op.integers("axes"), keepdims=bool(op.integer("keep")))
    return np.asarray(wide, dtype=np.float32)


def softmax(op: Op, inputs: Sequence[Value], probe: Probe, picture: Picture) -> Value:
    """Softmax along an axis, the largest score subtracted first."""
    axis = op.integer("axis")
    raised = np.exp(inputs[0] - inputs[0].max(axis=axis, keepdims=True))
    share: Value = raised / raised.sum(axis=axis, keepdims=True)
    return share


def layer_norm(op: Op, inputs: Sequence[Value], probe: Probe, picture: Picture) -> Value:
    """``(x - mean) / sqrt(var + eps) * weight + bias`` over the last axis, with the biased variance."""
    (x,) = inputs
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = np.square(centred).mean(axis=-1, keepdims=True)
    normed: Value = centred / np.sqrt(variance + np.float32(op.real("eps"))) * op.tensors["weight"] + op.tensors["bias"]
    return normed


def normalize(op: Op, inputs: Sequence[Value], probe: Probe, picture: Picture) -> Value:
    """``x / max(|x|, eps)`` along an axis, the length formed in double precision and rounded once."""
    squares = np.square(inputs[0].astype(np.float64)).sum(axis=op.integer("axis"), keepdims=True)
    length = np.sqrt(squares).astype(np.float32)
    shorter: Value = inputs[0] / np.maximum(length, np.float32(op.real("eps")))
    return shorter
