"""A map (N, C, H, W) brought to another height and width, without corner alignment and without smoothing.

``to`` = ``factor``: sides floor(side * factor), and a step r = 1 / factor between places; ``to`` = ``like``: the sides
of the second input, and r = side / new side. Place i of the output is at

- ``nearest``: floor(i r), exactly: floor(i / factor), or floor(i * side / new side) of integers, which is also the rule
  where a new side is once or twice the old one (as in torch, for factors like 1.25 and 2.1).
- ``bilinear``: p = max((i + 1/2) r - 1/2, 0), between floor(p) and the next place, by the fraction; p = i where the new
  side is the old one (as in torch, for factors like 1.25).
- ``bicubic``: p = (i + 1/2) r - 1/2, four places from floor(p) - 1 on, weights of the cubic convolution with a = -3/4.

Places beyond the edge are those at the edge. Rows are mixed before columns in ``bilinear``, columns before rows in
``bicubic``.
"""

from __future__ import annotations

from math import floor

from intaglio.packed.definition import MAX_FACTOR, Definition, Picture, need, reals, word
from intaglio.packed.field import Field, Fields, Shape, Shapes, finer
from intaglio.packed.program import Op


def _shape(op: Op, shapes: Shapes, picture: Picture) -> Shape:
    need(all(len(shape) == 4 for shape in shapes), op, shapes, "maps (N, C, H, W)")
    if op.text("to") == "like":
        return *shapes[0][:2], *shapes[1][2:]
    down, across = (floor(side * factor) for side, factor in zip(shapes[0][2:], op.reals("factor"), strict=True))
    need(down >= 1 and across >= 1, op, shapes, "sides that are not resized to nothing")
    return *shapes[0][:2], down, across


def _check(op: Op) -> str | None:
    if len(op.inputs) != (2 if op.text("to") == "like" else 1):
        return "to must be 'factor' with one input, 'like' with two"
    return None if op.text("to") == "factor" or op.reals("factor") == (1.0, 1.0) else "factor must be 1 for 'like'"


def _field(op: Op, fields: Fields, shapes: Shapes, out: Shape) -> Field | None:
    factor = op.reals("factor")
    if op.text("mode") != "nearest" or op.text("to") != "factor" or factor[0] != factor[1] or factor[0] % 1:
        return None
    return finer(fields[0], 4, int(factor[0]))


DEFINITION = Definition(
    "resize",
    _shape,
    arity=(1, 2),
    attrs={
        "mode": word("nearest", "bilinear", "bicubic"),
        "to": word("factor", "like"),
        "factor": reals(1 / MAX_FACTOR, float(MAX_FACTOR), 2),
    },
    check=_check,
    field=_field,
)
