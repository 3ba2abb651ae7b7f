"""A linear layer over the last axis, (..., K) to (..., N): ``y[n] = bias[n] + sum over k of weight[n, k] * x[k]``, by
equation (5) where there are sites."""

from __future__ import annotations

from math import prod

from intaglio.packed.definition import Definition, Dim, Picture, Tensor, need
from intaglio.packed.field import Field, Fields, Shape, Shapes, along
from intaglio.packed.program import Op

MAX_FEATURES = 1 << 14


def _weights(op: Op) -> Shape:
    return tuple(op.tensors["weight.codes" if op.sites else "weight"].shape)


def _shape(op: Op, shapes: Shapes, picture: Picture) -> Shape:
    outputs, inputs = _weights(op)
    need(len(shapes[0]) >= 1 and shapes[0][-1] == inputs, op, shapes, f"{inputs} entries along the last axis")
    return *shapes[0][:-1], outputs


def _field(op: Op, fields: Fields, shapes: Shapes, out: Shape) -> Field | None:
    return along([len(out) - 1], fields, shapes, out)


def _cost(op: Op, shapes: Shapes, out: Shape) -> int:
    return prod(out) * _weights(op)[1]


_WEIGHT = (Dim("N", MAX_FEATURES), Dim("K", MAX_FEATURES))

DEFINITION = Definition(
    "linear",
    _shape,
    tensors=(Tensor("weight", _WEIGHT, "weight"), Tensor("bias", _WEIGHT[:1], optional=True)),
    sites=("input", "weight"),
    field=_field,
    cost=_cost,
)
