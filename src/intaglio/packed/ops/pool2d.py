"""The largest (``max``) or mean (``avg``) number under each position of a window over a map (N, C, H, W).

``padding`` is rows above and below, columns left and right: of minus infinity for ``max``, of zeros that count for
``avg``. A position that leaves the padded map is dropped (floor).
"""

from __future__ import annotations

from intaglio.packed.definition import MAX_FACTOR, Definition, Picture, need, wholes, word
from intaglio.packed.field import Field, Fields, Shape, Shapes, sliding
from intaglio.packed.ops.conv2d import MAX_KERNEL
from intaglio.packed.program import Op

WINDOW = {"kernel": wholes(1, MAX_KERNEL, 2), "stride": wholes(1, MAX_FACTOR, 2)}


def positions(op: Op, shapes: Shapes) -> tuple[int, int]:
    """How often the window fits into the padded map, down and across. Raises: ShapeError if it does not at all."""
    need(len(shapes[0]) == 4, op, shapes, "a map (N, C, H, W)")
    down, across = (
        (side + 2 * pad - kernel) // stride + 1
        for side, pad, kernel, stride in zip(
            shapes[0][2:], op.integers("padding"), op.integers("kernel"), op.integers("stride"), strict=True
        )
    )
    need(down >= 1 and across >= 1, op, shapes, "a map that is not smaller than the window")
    return down, across


def _shape(op: Op, shapes: Shapes, picture: Picture) -> Shape:
    return *shapes[0][:2], *positions(op, shapes)


def _check(op: Op) -> str | None:
    fits = all(2 * pad <= kernel for pad, kernel in zip(op.integers("padding"), op.integers("kernel"), strict=True))
    return None if fits else "padding must be at most half of the kernel"


def _field(op: Op, fields: Fields, shapes: Shapes, out: Shape) -> Field | None:
    if out != shapes[0] or op.integers("stride") != (1, 1):
        return None
    return sliding(fields[0], 4, op.integers("padding"), op.integers("padding"))


DEFINITION = Definition(
    "pool2d",
    _shape,
    attrs={"function": word("max", "avg"), **WINDOW, "padding": wholes(0, MAX_KERNEL // 2, 2)},
    check=_check,
    field=_field,
)
