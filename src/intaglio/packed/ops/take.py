"""Places of one axis by number, in the order of ``indices``, each as often as it is named."""

from __future__ import annotations

from intaglio.packed.definition import AXIS, Definition, Dim, Picture, Tensor, need
from intaglio.packed.field import Shape, Shapes
from intaglio.packed.ops.shared import along_axis, need_axes
from intaglio.packed.program import Op

MAX_INDICES = 1 << 20


def _shape(op: Op, shapes: Shapes, picture: Picture) -> Shape:
    axis, indices = op.integer("axis"), op.tensors["indices"]
    need_axes(op, shapes, [axis])
    need(int(indices.max()) < shapes[0][axis], op, shapes, f"more than {indices.max()} places along axis {axis}")
    return *shapes[0][:axis], len(indices), *shapes[0][axis + 1 :]


def _check(op: Op) -> str | None:
    return None if int(op.tensors["indices"].min()) >= 0 else "indices must not be negative"


DEFINITION = Definition(
    "take",
    _shape,
    attrs={"axis": AXIS},
    tensors=(Tensor("indices", (Dim("n", MAX_INDICES),), "indices"),),
    check=_check,
    field=along_axis,
)
