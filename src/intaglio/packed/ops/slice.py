"""The places ``start``, ``start + step``, ... below ``stop`` of one axis."""

from __future__ import annotations

from intaglio.packed.definition import AXIS, Definition, Picture, extent, length, need, whole
from intaglio.packed.field import Shape, Shapes
from intaglio.packed.ops.shared import along_axis, need_axes
from intaglio.packed.program import Op


def _shape(op: Op, shapes: Shapes, picture: Picture) -> Shape:
    axis = op.integer("axis")
    need_axes(op, shapes, [axis])
    start, stop = length(op, "start", picture), length(op, "stop", picture)
    need(start < stop <= shapes[0][axis], op, shapes, f"places {start} to {stop} along axis {axis}")
    kept = -(-(stop - start) // op.integer("step"))
    return *shapes[0][:axis], kept, *shapes[0][axis + 1 :]


DEFINITION = Definition(
    "slice",
    _shape,
    attrs={"axis": AXIS, "start": extent(0), "stop": extent(1), "step": whole(1, 1 << 16)},
    field=along_axis,
)
