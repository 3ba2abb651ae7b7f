"""Pixels to channels, (..., C, H f, W f) to (..., C f^2, H, W): the inverse of ``pixel_shuffle``."""

from __future__ import annotations

from intaglio.packed.definition import MAX_FACTOR, Definition, Picture, need, whole
from intaglio.packed.field import Shape, Shapes
from intaglio.packed.program import Op


def _shape(op: Op, shapes: Shapes, picture: Picture) -> Shape:
    factor, shape = op.integer("factor"), shapes[0]
    fits = len(shape) >= 3 and shape[-2] % factor == 0 and shape[-1] % factor == 0
    need(fits, op, shapes, f"sides in multiples of {factor}")
    return *shape[:-3], shape[-3] * factor**2, shape[-2] // factor, shape[-1] // factor


DEFINITION = Definition("pixel_unshuffle", _shape, attrs={"factor": whole(1, MAX_FACTOR)})
