"""Axes in another order: axis i of the output is axis ``axes[i]`` of the input."""

from __future__ import annotations

from intaglio.packed.definition import MAX_RANK, Definition, Picture, need, wholes
from intaglio.packed.field import Field, Fields, Shape, Shapes, permuted
from intaglio.packed.program import Op


def _shape(op: Op, shapes: Shapes, picture: Picture) -> Shape:
    axes = op.integers("axes")
    need(len(shapes[0]) == len(axes), op, shapes, f"{len(axes)} axes")
    return tuple(shapes[0][axis] for axis in axes)


def _check(op: Op) -> str | None:
    axes = op.integers("axes")
    return None if sorted(axes) == list(range(len(axes))) else "axes must name each axis once"


def _field(op: Op, fields: Fields, shapes: Shapes, out: Shape) -> Field | None:
    return permuted(fields[0], op.integers("axes"))


DEFINITION = Definition(
    "permute", _shape, attrs={"axes": wholes(0, MAX_RANK - 1, 1, MAX_RANK)}, check=_check, field=_field
)
