"""Lengths of 1 repeated until the value has the ``shape``; axes aligned at the last."""

from __future__ import annotations

from intaglio.packed.definition import MAX_RANK, Definition, Picture, extents, lengths, need
from intaglio.packed.field import Shape, Shapes, pointwise
from intaglio.packed.ops.shared import broadcast_shapes
from intaglio.packed.program import Op


def _shape(op: Op, shapes: Shapes, picture: Picture) -> Shape:
    wanted = lengths(op, "shape", picture)
    need(broadcast_shapes(op, shapes, (shapes[0], wanted)) == wanted, op, shapes, f"what expands to {wanted}")
    return wanted


DEFINITION = Definition("expand", _shape, attrs={"shape": extents(1, 0, MAX_RANK)}, field=pointwise)
