"""Places moved along axes, those that leave entering at the other end: place i goes to (i + shift) mod length."""

from __future__ import annotations

from intaglio.packed.definition import MAX_RANK, Definition, Picture, wholes
from intaglio.packed.field import Field, Fields, Shape, Shapes, along
from intaglio.packed.ops.shared import need_axes
from intaglio.packed.program import Op


def _shape(op: Op, shapes: Shapes, picture: Picture) -> Shape:
    need_axes(op, shapes, op.integers("axes"))
    return shapes[0]


def _check(op: Op) -> str | None:
    axes = op.integers("axes")
    once = len(set(axes)) == len(axes) == len(op.integers("shifts"))
    return None if once else "there must be one shift for each axis, and each axis once"


def _field(op: Op, fields: Fields, shapes: Shapes, out: Shape) -> Field | None:
    return along(op.integers("axes"), fields, shapes, out)


DEFINITION = Definition(
    "roll",
    _shape,
    attrs={"shifts": wholes(-(1 << 20), 1 << 20, 1, MAX_RANK), "axes": wholes(0, MAX_RANK - 1, 1, MAX_RANK)},
    check=_check,
    field=_field,
)
