"""How far a value looks at the picture: rules of receptive fields that operations share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import prod

from intaglio.packed.program import Op

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Field:
    """The receptive field of a value: pixels of the picture to each side, `reach`; the size of one of the value's own
    pixels in pixels of the picture; and its axes of height and width, None where nothing depends on the picture."""

    reach: Fraction = Fraction(0)
    pixel: Fraction = Fraction(1)
    axes: tuple[int, int] | None = None


Fields = Sequence[Field]
Shapes = Sequence[Shape]


def unbounded(op: Op, fields: Fields, shapes: Shapes, out: Shape) -> Field | None:
    """No useful bound: the operation looks at everything, or at places that are not followed."""
    return None


def pointwise(op: Op, fields: Fields, shapes: Shapes, out: Shape) -> Field | None:
    """Every place looks at the same place of each input: `broadcast`."""
    return broadcast(fields, shapes, out)


def broadcast(fields: Fields, shapes: Shapes, out: Shape) -> Field | None:
    """The field where every place looks at the same place of each input, axes aligned at the last.

    No bound where the inputs have pixels of different sizes, or an input that is not made from the picture differs
    from place to place.
    """
    moved = [_aligned(one, shape, out) for one, shape in zip(fields, shapes, strict=True)]
    seen = [one for one in moved if one.axes is not None]
    if not seen:
        return Field()
    axes = seen[0].axes
    if axes is None or any((one.axes, one.pixel) != (axes, seen[0].pixel) for one in seen):
        return None
    for one, shape in zip(moved, shapes, strict=True):
        places = [axis - len(out) + len(shape) for axis in axes]
        if one.axes is None and any(place >= 0 and shape[place] != 1 for place in places):
            return None
    return replace(seen[0], reach=max(one.reach for one in seen))


def _aligned(field: Field, shape: Shape, out: Shape) -> Field:
    if field.axes is None:
        return field
    shift = len(out) - len(shape)
    return replace(field, axes=(field.axes[0] + shift, field.axes[1] + shift))


def along(axes: Sequence[int], fields: Fields, shapes: Shapes, out: Shape) -> Field | None:
    """As `broadcast`, for an operation that mixes places along `axes`: no bound if those are the height or width."""
    if any(set(axes) & set(one.axes) for one in fields if one.axes is not None):
        return None
    return broadcast(fields, shapes, out)


def planar(field: Field, rank: int) -> bool:
    """Whether height and width are the last two axes."""
    return field.axes == (rank - 2, rank - 1)


def sliding(field: Field, rank: int, before: Sequence[int], after: Sequence[int]) -> Field | None:
    """A window over height and width that looks `before` pixels up and left and `after` down and right."""
    if field.axes is None:
        return field
    if not planar(field, rank):
        return None
    return replace(field, reach=field.reach + max(*before, *after, 0) * field.pixel)


def finer(field: Field, rank: int, factor: int) -> Field | None:
    """Pixels that are cut into `factor` squared: a finer pixel's centre is off by less than its parent's side."""
    if field.axes is None:
        return field
    if not planar(field, rank):
        return None
    further = field.pixel if factor > 1 else Fraction(0)
    return replace(field, reach=field.reach + further, pixel=field.pixel / factor)


def permuted(field: Field, order: Sequence[int]) -> Field:
    """The field after the axes took another order."""
    if field.axes is None:
        return field
    return replace(field, axes=(list(order).index(field.axes[0]), list(order).index(field.axes[1])))


def reshaped(field: Field, shape: Shape, out: Shape) -> Field | None:
    """The field after a reshape that leaves height and width whole; no bound after any other."""
    if field.axes is None:
        return field
    places = [_same_axis(axis, shape, out) for axis in field.axes]
    if places[0] is None or places[1] is None:
        return None
    return replace(field, axes=(places[0], places[1]))


def _same_axis(axis: int, shape: Shape, out: Shape) -> int | None:
    """Where the axis is in the new shape: of the same length, with as many elements before it."""
    for place, length in enumerate(out):
        if length == shape[axis] and prod(out[:place]) == prod(shape[:axis]):
            return place
    return None
