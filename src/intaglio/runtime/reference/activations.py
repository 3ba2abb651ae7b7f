"""Functions of one number: relu and its kin, and gelu with an error function of its own.

numpy has no erf, and scipy would be a large dependency for one function.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from intaglio._shapes import Float32, Float64
from intaglio.packed.definition import Picture
from intaglio.packed.program import Op
from intaglio.runtime.reference.probe import Probe

Value = Float32[np.ndarray, "..."]

_ERF_SPACING = 1.0 / 64.0
_ERF_END = 6.0  # 1 - erf(6) = 2e-17: below the last bit of a double
_ERF_NODES = np.arange(0.0, _ERF_END + _ERF_SPACING, _ERF_SPACING)
_ERF_VALUES = np.array([math.erf(node) for node in _ERF_NODES])
_ERF_SLOPES = 2.0 / math.sqrt(math.pi) * np.exp(-(_ERF_NODES**2))


def erf(x: Float64[np.ndarray, "*shape"]) -> Float64[np.ndarray, "*shape"]:
    """The error function, to 1e-9 absolute.

    A cubic Taylor step from the nearest of the nodes 0, 1/64, ..., 6, whose values are exact. With
    ``erf' = 2 / sqrt(pi) * exp(-x**2)``, ``erf'' = -2 x erf'`` and ``erf''' = (4 x**2 - 2) erf'``, the remainder is
    at most ``h**4 / 24 * max |erf''''| < (1 / 128)**4 / 24 * 5 = 8e-10``.

    >>> erf(np.array([0.0, 1.0, -10.0])).round(6).tolist()
    [0.0, 0.842701, -1.0]
    """
    magnitude = np.fmin(np.abs(x), _ERF_END)
    nearest = np.rint(magnitude / _ERF_SPACING).astype(np.intp)
    node = _ERF_NODES[nearest]
    h = magnitude - node
    value = _ERF_VALUES[nearest] + _ERF_SLOPES[nearest] * (h - node * h**2 + (4.0 * node**2 - 2.0) * h**3 / 6.0)
    signed: Float64[np.ndarray, "*shape"] = np.copysign(value, x)
    return signed


def gelu(x: Float32[np.ndarray, "*shape"]) -> Float32[np.ndarray, "*shape"]:
    """``x / 2 * (1 + erf(x / sqrt(2)))``, formed in double precision and rounded once; not the tanh approximation.

    >>> gelu(np.array([0.0, 1.0], dtype=np.float32)).round(4).tolist()
    [0.0, 0.8413000106811523]
    """
    wide = x.astype(np.float64)
    return (0.5 * wide * (1.0 + erf(wide * math.sqrt(0.5)))).astype(np.float32)


def sigmoid(x: Float32[np.ndarray, "*shape"]) -> Float32[np.ndarray, "*shape"]:
    """``1 / (1 + exp(-x))``, without overflow for large negative x.

    >>> sigmoid(np.array([0.0, -200.0], dtype=np.float32)).tolist()
    [0.5, 0.0]
    """
    decay = np.exp(-np.abs(x))
    probability: Float32[np.ndarray, "*shape"] = np.where(x >= 0, np.float32(1.0), decay) / (np.float32(1.0) + decay)
    return probability


def softplus(x: Float32[np.ndarray, "*shape"]) -> Float32[np.ndarray, "*shape"]:
    """``log(1 + exp(x))`` as ``max(x, 0) + log(1 + exp(-|x|))``, without overflow.

    >>> softplus(np.array([-200.0, 200.0], dtype=np.float32)).tolist()
    [0.0, 200.0]
    """
    return np.asarray(np.maximum(x, np.float32(0.0)) + np.log1p(np.exp(-np.abs(x))))


def gelu_tanh(x: Float32[np.ndarray, "*shape"]) -> Float32[np.ndarray, "*shape"]:
    """``x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x**3)))``, formed in double precision and rounded once."""
    wide = x.astype(np.float64)
    bent = np.tanh(math.sqrt(2.0 / math.pi) * (wide + 0.044715 * wide**3))
    return np.asarray(0.5 * wide * (1.0 + bent), dtype=np.float32)


def hard_sigmoid(x: Float32[np.ndarray, "*shape"]) -> Float32[np.ndarray, "*shape"]:
    """``clamp(x / 6 + 1/2, 0, 1)``."""
    return np.asarray(np.clip(x / np.float32(6.0) + np.float32(0.5), np.float32(0.0), np.float32(1.0)))


def _leaky(x: Value, slope: Value | np.float32) -> Value:
    return np.where(x >= 0, x, x * slope)


def _prelu(x: Value, op: Op) -> Value:
    slopes = op.tensors["weight"]
    return _leaky(x, slopes.reshape(-1, *(1,) * (x.ndim - 2)) if slopes.size > 1 else slopes[0])


FUNCTIONS: Mapping[str, Callable[[Value, Op], Value]] = MappingProxyType(
    {
        "relu": lambda x, op: np.maximum(x, np.float32(0.0)),
        "leaky_relu": lambda x, op: _leaky(x, np.float32(op.real("slope"))),
        "prelu": _prelu,
        "gelu": lambda x, op: gelu(x),
        "gelu_tanh": lambda x, op: gelu_tanh(x),
        "silu": lambda x, op: x * sigmoid(x),
        "sigmoid": lambda x, op: sigmoid(x),
        "tanh": lambda x, op: np.tanh(x),
        "mish": lambda x, op: x * np.tanh(softplus(x)),
        "hard_swish": lambda x, op: x * hard_sigmoid(x),
        "hard_sigmoid": lambda x, op: hard_sigmoid(x),
        "softplus": lambda x, op: softplus(x),
        "clamp": lambda x, op: np.clip(x, np.float32(op.real("low")), np.float32(op.real("high"))),
        "exp": lambda x, op: np.exp(x),
        "log": lambda x, op: np.log(x),
        "sqrt": lambda x, op: np.sqrt(x),
        "rsqrt": lambda x, op: np.float32(1.0) / np.sqrt(x),
        "abs": lambda x, op: np.abs(x),
        "neg": lambda x, op: -x,
        "square": lambda x, op: x * x,
        "reciprocal": lambda x, op: np.float32(1.0) / x,
    }
)


def activation(op: Op, inputs: Sequence[Value], probe: Probe, picture: Picture) -> Value:
    """The function that the attributes of `op` name, of each number."""
    return np.asarray(FUNCTIONS[op.text("function")](inputs[0], op))
