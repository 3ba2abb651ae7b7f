"""The relative position bias of windows: ``y[head, i, j] = table[index(i, j), head]``, of shape (heads, T, T).

T = h w for a ``window`` (h, w), tokens in raster order; for query i at (y_i, x_i) and key j,
``index(i, j) = (y_i - y_j + h - 1) (2w - 1) + (x_i - x_j + w - 1)``, and ``table`` is ((2h - 1) (2w - 1), heads).
"""

from __future__ import annotations

from intaglio.packed.definition import Definition, Dim, Picture, Tensor, wholes
from intaglio.packed.field import Shape, Shapes
from intaglio.packed.ops.constant import nowhere
from intaglio.packed.program import Op

MAX_WINDOW = 64
MAX_HEADS = 64
WINDOW = wholes(1, MAX_WINDOW, 2)


def _shape(op: Op, shapes: Shapes, picture: Picture) -> Shape:
    height, width = op.integers("window")
    return op.tensors["table"].shape[1], height * width, height * width


def _check(op: Op) -> str | None:
    height, width = op.integers("window")
    rows = (2 * height - 1) * (2 * width - 1)
    return None if len(op.tensors["table"]) == rows else f"table must have {rows} rows"


DEFINITION = Definition(
    "position_bias",
    _shape,
    arity=(0, 0),
    attrs={"window": WINDOW},
    tensors=(Tensor("table", (Dim("rows", (2 * MAX_WINDOW - 1) ** 2), Dim("heads", MAX_HEADS))),),
    check=_check,
    field=nowhere,
)
