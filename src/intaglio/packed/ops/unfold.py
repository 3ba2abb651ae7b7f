"""Windows of a map as columns, (N, C, H, W) to (N, C kh kw, L).

Entry (c kh + u) kw + v of column l is channel c at (u, v) of the l-th position of the window, in raster order.

``padding`` is rows of zeros above and below, columns left and right.
"""

from __future__ import annotations

from math import prod

from intaglio.packed.definition import Definition, Picture, wholes
from intaglio.packed.field import Shape, Shapes
from intaglio.packed.ops.conv2d import MAX_KERNEL
from intaglio.packed.ops.pool2d import positions
from intaglio.packed.program import Op


def _shape(op: Op, shapes: Shapes, picture: Picture) -> Shape:
    down, across = positions(op, shapes)
    return shapes[0][0], shapes[0][1] * prod(op.integers("kernel")), down * across


DEFINITION = Definition(
    "unfold",
    _shape,
    attrs={
        "kernel": wholes(1, MAX_KERNEL, 2),
        "stride": wholes(1, MAX_KERNEL, 2),
        "padding": wholes(0, MAX_KERNEL, 2),
    },
)
