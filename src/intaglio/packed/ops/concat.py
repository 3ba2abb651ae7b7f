"""Values one after another along ``axis``; their other lengths are equal."""

from __future__ import annotations

from intaglio.packed.definition import AXIS, Definition, Picture, need
from intaglio.packed.field import Shape, Shapes
from intaglio.packed.ops.shared import along_axis, need_axes
from intaglio.packed.program import Op

MAX_INPUTS = 64


def _shape(op: Op, shapes: Shapes, picture: Picture) -> Shape:
    axis = op.integer("axis")
    need_axes(op, shapes, [axis])
    rests = {(len(shape), *shape[:axis], -1, *shape[axis + 1 :]) for shape in shapes}
    need(len(rests) == 1, op, shapes, f"shapes that are equal but for axis {axis}")
    return *shapes[0][:axis], sum(shape[axis] for shape in shapes), *shapes[0][axis + 1 :]


DEFINITION = Definition("concat", _shape, arity=(2, MAX_INPUTS), attrs={"axis": AXIS}, field=along_axis)
