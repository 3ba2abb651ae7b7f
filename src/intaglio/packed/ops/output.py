"""The picture leaves: a map (1, C, H * scale, W * scale) becomes planes ``x / range + mean[c]``.

They are cropped to h * scale by w * scale, and not clipped. The path to 8-bit pictures clips them to [0, 1], multiplies
by 255 and rounds half to even.
"""

from __future__ import annotations

from intaglio.packed.definition import Definition, Picture, need
from intaglio.packed.field import Shape, Shapes, pointwise
from intaglio.packed.ops.input import MEANS, RANGE
from intaglio.packed.program import Op


def _shape(op: Op, shapes: Shapes, picture: Picture) -> Shape:
    planes = len(op.reals("mean"))
    need(len(shapes[0]) == 4 and shapes[0][:2] == (1, planes), op, shapes, f"a map (1, {planes}, height, width)")
    return shapes[0]


DEFINITION = Definition("output", _shape, attrs={"range": RANGE, "mean": MEANS}, field=pointwise)
