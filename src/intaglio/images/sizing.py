"""How large a picture is to become: a factor, a width or height, or the longest side;
and how many passes that takes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from intaglio.errors import ImageError

MOST_PASSES = 8
"""More passes of a network than anyone wants: x2 eight times is x256."""

_BOX = re.compile(r"^(\d+)?x(\d+)?$")


@dataclass(frozen=True)
class Size:
    """What was asked for; at most one of `factor`, `box`, none of them being the network's own factor.

    `box` is (width, height), one of them None where only the other is asked for; the picture fits into it and keeps
    its shape. `max_side` bounds the longer side of whatever comes out.
    """

    factor: Fraction | None = None
    box: tuple[int | None, int | None] | None = None
    max_side: int | None = None

    def __post_init__(self) -> None:
        if self.factor is not None and self.box is not None:
            raise ImageError("A factor and a size are both asked for; give one of them.")
        sides = [*(self.box or ()), self.max_side]
        if (self.factor is not None and self.factor <= 0) or any(side is not None and side < 1 for side in sides):
            raise ImageError("A factor or a side of zero or less is asked for; give a positive number.")

    def of(self, height: int, width: int, network: int) -> tuple[int, int]:
        """Rows and columns of the result for a picture of that height and width and a network of that factor.

        Sides are rounded to the nearest pixel (half up), and are never 0.

        >>> Size(box=(1920, None)).of(480, 640, 4), Size(max_side=1000).of(480, 640, 4), Size().of(5, 7, 2)
        ((1440, 1920), (750, 1000), (10, 14))
        """
        factor = self.factor or Fraction(network)
        if self.box:
            over = [Fraction(side, own) for side, own in zip(self.box, (width, height), strict=True) if side]
            factor = min(over)
        if self.max_side:
            factor = min(factor, Fraction(self.max_side, max(height, width)))
        return _nearest(height * factor), _nearest(width * factor)


NATURAL = Size()
"""The network's own factor."""


def parse_box(text: str) -> tuple[int | None, int | None]:
    """Width and height from ``1920x``, ``x1080`` or ``1920x1080``. Raises: ImageError for another text.

    >>> parse_box("1920x"), parse_box("x1080")
    ((1920, None), (None, 1080))
    """
    found = _BOX.match(text.lower().replace("\N{MULTIPLICATION SIGN}", "x").strip())
    if not found or not any(found.groups()):
        raise ImageError(f"{text!r} is no size; write 1920x (the width), x1080 (the height) or 1920x1080 (a box).")
    width, height = (int(part) if part else None for part in found.groups())
    return width, height


def passes(source: tuple[int, int], target: tuple[int, int], network: int) -> int:
    """How often a network has to run before the picture is at least as large as the target; 0 to make it smaller.

    Raises: ImageError when that is more than `MOST_PASSES` (remedy: a smaller size), or the network enlarges by 1 only.

    >>> passes((10, 10), (30, 30), 2), passes((10, 10), (20, 20), 2), passes((10, 10), (5, 5), 2)
    (2, 1, 0)
    """
    wanted, needed, reached = max(Fraction(b, a) for a, b in zip(source, target, strict=True)), 0, 1
    if network == 1:
        return 1
    while reached < wanted:
        needed, reached = needed + 1, reached * network
        if needed > MOST_PASSES:
            raise ImageError(f"x{ceil(wanted)} takes more than {MOST_PASSES} passes of x{network}; ask for less.")
    return needed


def _nearest(side: Fraction) -> int:
    return max(1, int(side + Fraction(1, 2)))
