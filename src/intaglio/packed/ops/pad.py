"""Places added before and after: ``widths`` holds (before, after) of each axis, one pair after another.

``zero`` fills with ``value``; ``edge`` repeats the last place; ``reflect`` mirrors without the last place, ``mirror``
with it, both periodic, so that a width may be longer than the axis; ``circular`` goes on at the other end (at most a
length wide). Axes are padded one after another, so that corners are those of the padded rows. ``value`` is 0 for the
other modes.
"""

from __future__ import annotations

from intaglio.packed.definition import MAX_RANK, Definition, Picture, extents, lengths, need, real, word
from intaglio.packed.field import Shape, Shapes
from intaglio.packed.program import Op


def _shape(op: Op, shapes: Shapes, picture: Picture) -> Shape:
    widths = lengths(op, "widths", picture)
    need(2 * len(shapes[0]) == len(widths), op, shapes, f"{len(widths) // 2} axes")
    pairs = list(zip(widths[::2], widths[1::2], strict=True))
    if op.text("mode") == "circular":
        fits = all(max(pair) <= size for pair, size in zip(pairs, shapes[0], strict=True))
        need(fits, op, shapes, f"axes as long as their widths {pairs}")
    return tuple(size + before + after for size, (before, after) in zip(shapes[0], pairs, strict=True))


def _check(op: Op) -> str | None:
    if len(op.extents("widths")) % 2:
        return "widths must be pairs"
    return None if op.text("mode") == "zero" or op.real("value") == 0.0 else "value must be 0 unless mode is zero"


DEFINITION = Definition(
    "pad",
    _shape,
    attrs={
        "widths": extents(0, 0, 2 * MAX_RANK),
        "mode": word("zero", "reflect", "mirror", "edge", "circular"),
        "value": real(),
    },
    check=_check,
)
