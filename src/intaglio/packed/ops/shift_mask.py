"""Which tokens of shifted windows may see each other: 0 where they may, ``value`` where not; shape (windows, T, T).

A map of ``height`` by ``width``, rolled by (-s, -t) for the ``shift`` (s, t), is cut into windows (h, w), windows and
the T = h w tokens of each in raster order. Rows lie in the regions [0, height - h), [height - h, height - s) and
[height - s, height) of the rolled map, columns likewise; two tokens see each other within one of the nine regions.
"""

from __future__ import annotations

from intaglio.packed.definition import Definition, Picture, extent, length, need, real, wholes
from intaglio.packed.field import Shape, Shapes
from intaglio.packed.ops.position_bias import MAX_WINDOW, WINDOW
from intaglio.packed.program import Op


def _shape(op: Op, shapes: Shapes, picture: Picture) -> Shape:
    sides, window = [length(op, name, picture) for name in ("height", "width")], op.integers("window")
    fits = all(side > 0 and side % part == 0 for side, part in zip(sides, window, strict=True))
    need(fits, op, shapes, f"a map {sides} of whole windows {window}")
    tokens = window[0] * window[1]
    return sides[0] * sides[1] // tokens, tokens, tokens


def _check(op: Op) -> str | None:
    fits = all(shift < side for shift, side in zip(op.integers("shift"), op.integers("window"), strict=True))
    return None if fits else "shift must be less than window"


DEFINITION = Definition(
    "shift_mask",
    _shape,
    arity=(0, 0),
    attrs={
        "window": WINDOW,
        "shift": wholes(0, MAX_WINDOW - 1, 2),
        "height": extent(1),
        "width": extent(1),
        "value": real(),
    },
    check=_check,
)
