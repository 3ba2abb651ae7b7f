"""What several definitions share: broadcasting, axes within a rank. No definition is in this file."""

from __future__ import annotations

from collections.abc import Sequence

from intaglio.packed.definition import Definition, Picture, need
from intaglio.packed.field import Field, Fields, Shape, Shapes, along, pointwise
from intaglio.packed.program import Op


def broadcast_shapes(op: Op, shapes: Shapes, parts: Sequence[Shape]) -> Shape:
    """The shape that `parts` have together, aligned at the last axis; lengths of 1 stretch. Raises: ShapeError."""
    if len(set(parts)) == 1:
        return parts[0]
    rank = max(len(part) for part in parts)
    padded = [(1,) * (rank - len(part)) + part for part in parts]
    out = tuple(max(lengths) for lengths in zip(*padded, strict=True))
    fits = all(length in (1, most) for part in padded for length, most in zip(part, out, strict=True))
    need(fits, op, shapes, "shapes that broadcast")
    return out


def _shape(op: Op, shapes: Shapes, picture: Picture) -> Shape:
    return broadcast_shapes(op, shapes, shapes)


def binary(kind: str) -> Definition:
    """An operation on two values, place by place, with broadcasting."""
    return Definition(kind, _shape, arity=(2, 2), field=pointwise)


def need_axes(op: Op, shapes: Shapes, axes: Sequence[int]) -> None:
    """Raises: ShapeError unless the first input has these axes."""
    need(max(axes) < len(shapes[0]), op, shapes, f"at least {max(axes) + 1} axes")


def along_axis(op: Op, fields: Fields, shapes: Shapes, out: Shape) -> Field | None:
    """The receptive field of an operation along its attribute ``axis``."""
    return along([op.integer("axis")], fields, shapes, out)


def axis_shape(op: Op, shapes: Shapes, picture: Picture) -> Shape:
    """The shape of the only input, which must have the attribute ``axis``. Raises: ShapeError."""
    need_axes(op, shapes, [op.integer("axis")])
    return shapes[0]
