"""``mean``, ``sum``, ``max``, ``min`` or ``var`` (biased) over ``axes``, which stay as lengths of 1 if ``keep`` is 1.

Means, sums and variances are formed in double precision and rounded once.
"""

from __future__ import annotations

from intaglio.packed.definition import MAX_RANK, Definition, Picture, whole, wholes, word
from intaglio.packed.field import Field, Fields, Shape, Shapes, along, reshaped
from intaglio.packed.ops.shared import need_axes
from intaglio.packed.program import Op


def _kept(op: Op, shape: Shape) -> Shape:
    axes = op.integers("axes")
    return tuple(1 if axis in axes else length for axis, length in enumerate(shape))


def _shape(op: Op, shapes: Shapes, picture: Picture) -> Shape:
    need_axes(op, shapes, op.integers("axes"))
    if op.integer("keep"):
        return _kept(op, shapes[0])
    return tuple(length for axis, length in enumerate(shapes[0]) if axis not in op.integers("axes"))


def _check(op: Op) -> str | None:
    axes = op.integers("axes")
    return None if list(axes) == sorted(set(axes)) else "axes must ascend and occur once"


def _field(op: Op, fields: Fields, shapes: Shapes, out: Shape) -> Field | None:
    kept = _kept(op, shapes[0])
    field = along(op.integers("axes"), fields, shapes, kept)
    return field if field is None or op.integer("keep") else reshaped(field, kept, out)


DEFINITION = Definition(
    "reduce",
    _shape,
    attrs={
        "function": word("mean", "sum", "max", "min", "var"),
        "axes": wholes(0, MAX_RANK - 1, 1, MAX_RANK),
        "keep": whole(0, 1),
    },
    check=_check,
    field=_field,
)
