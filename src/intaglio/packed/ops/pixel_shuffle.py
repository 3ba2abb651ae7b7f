"""Channels to pixels, (..., C f^2, H, W) to (..., C, H f, W f), with f the ``factor``.

Channel c at (f y + i, f x + j) is channel c f^2 + i f + j at (y, x).
"""

from __future__ import annotations

from intaglio.packed.definition import MAX_FACTOR, Definition, Picture, need, whole
from intaglio.packed.field import Field, Fields, Shape, Shapes, finer
from intaglio.packed.program import Op


def _shape(op: Op, shapes: Shapes, picture: Picture) -> Shape:
    factor, shape = op.integer("factor"), shapes[0]
    need(len(shape) >= 3 and shape[-3] % factor**2 == 0, op, shapes, f"channels in multiples of {factor**2}")
    return *shape[:-3], shape[-3] // factor**2, shape[-2] * factor, shape[-1] * factor


def _field(op: Op, fields: Fields, shapes: Shapes, out: Shape) -> Field | None:
    return finer(fields[0], len(out), op.integer("factor"))


DEFINITION = Definition("pixel_shuffle", _shape, attrs={"factor": whole(1, MAX_FACTOR)}, field=_field)
