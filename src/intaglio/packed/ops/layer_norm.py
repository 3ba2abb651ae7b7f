"""Layer normalisation of the last axis: ``(x - mean) / sqrt(var + eps) * weight + bias``, with the biased variance."""

from __future__ import annotations

from intaglio.packed.definition import Definition, Dim, Picture, Tensor, need, real
from intaglio.packed.field import Field, Fields, Shape, Shapes, along
from intaglio.packed.ops.linear import MAX_FEATURES
from intaglio.packed.program import Op


def _shape(op: Op, shapes: Shapes, picture: Picture) -> Shape:
    features = len(op.tensors["weight"])
    need(len(shapes[0]) >= 1 and shapes[0][-1] == features, op, shapes, f"{features} entries along the last axis")
    return shapes[0]


def _field(op: Op, fields: Fields, shapes: Shapes, out: Shape) -> Field | None:
    return along([len(out) - 1], fields, shapes, out)


_FEATURES = (Dim("C", MAX_FEATURES),)

DEFINITION = Definition(
    "layer_norm",
    _shape,
    attrs={"eps": real(0.0, 1.0)},
    tensors=(Tensor("weight", _FEATURES), Tensor("bias", _FEATURES)),
    field=_field,
)
