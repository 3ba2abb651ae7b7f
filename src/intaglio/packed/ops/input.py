"""The picture enters: planes (C, h, w) in [0, 1] become the map ``(x - mean[c]) * range`` of shape (1, C, H, W).

H and W are h and w rounded up to multiples of ``multiple``; the map is continued below and to the right after it was
shifted: ``mirror`` repeats the edge pixel (periodic, so that one pixel fills a map), ``reflect`` does not (periodic
too), ``edge`` repeats the last pixel, ``zero`` fills with 0.
"""

from __future__ import annotations

from intaglio.packed.definition import Definition, Picture, real, reals, whole, word
from intaglio.packed.field import Field, Fields, Shape, Shapes
from intaglio.packed.program import Op

MAX_PLANES = 16
MEANS = reals(-1e6, 1e6, 1, MAX_PLANES)
RANGE = real(1e-6, 1e6)


def _shape(op: Op, shapes: Shapes, picture: Picture) -> Shape:
    return 1, op.integer("channels"), *picture


def _check(op: Op) -> str | None:
    return None if len(op.reals("mean")) == op.integer("channels") else "mean must have one entry for each channel"


def _field(op: Op, fields: Fields, shapes: Shapes, out: Shape) -> Field | None:
    return Field(axes=(2, 3))


DEFINITION = Definition(
    "input",
    _shape,
    arity=(0, 0),
    attrs={
        "channels": whole(1, MAX_PLANES),
        "range": RANGE,
        "mean": MEANS,
        "multiple": whole(1, 256),
        "pad": word("mirror", "reflect", "edge", "zero"),
    },
    check=_check,
    field=_field,
)
