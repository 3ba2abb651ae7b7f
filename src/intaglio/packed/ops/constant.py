"""A tensor of the file, ``value``, of any shape."""

from __future__ import annotations

from intaglio.packed.definition import Definition, Picture, Tensor
from intaglio.packed.field import Field, Fields, Shape, Shapes
from intaglio.packed.program import Op


def _shape(op: Op, shapes: Shapes, picture: Picture) -> Shape:
    return tuple(op.tensors["value"].shape)


def nowhere(op: Op, fields: Fields, shapes: Shapes, out: Shape) -> Field | None:
    """The field of what does not look at the picture."""
    return Field()


DEFINITION = Definition("constant", _shape, arity=(0, 0), tensors=(Tensor("value", None),), field=nowhere)
