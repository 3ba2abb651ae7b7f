"""The same numbers, in the same (row-major) order, under another ``shape``; one length may be -1 for what is left."""

from __future__ import annotations

from math import prod

from intaglio.packed.definition import MAX_RANK, Definition, Picture, extents, need
from intaglio.packed.field import Field, Fields, Shape, Shapes, reshaped
from intaglio.packed.program import Op
from intaglio.packed.size import evaluate


def _shape(op: Op, shapes: Shapes, picture: Picture) -> Shape:
    wanted = op.extents("shape")
    known = [evaluate(one, *picture) for one in wanted if one != -1]
    count, rest = prod(shapes[0]), prod(known)
    fits = rest > 0 and (count % rest == 0 if -1 in wanted else count == rest)
    need(fits, op, shapes, f"{rest} numbers, as shape says,")
    given = iter(known)
    return tuple(count // rest if one == -1 else next(given) for one in wanted)


def _check(op: Op) -> str | None:
    wanted = op.extents("shape")
    return None if wanted.count(-1) <= 1 and 0 not in wanted else "shape may hold -1 once, and no 0"


def _field(op: Op, fields: Fields, shapes: Shapes, out: Shape) -> Field | None:
    return reshaped(fields[0], shapes[0], out)


DEFINITION = Definition("reshape", _shape, attrs={"shape": extents(-1, 0, MAX_RANK)}, check=_check, field=_field)
