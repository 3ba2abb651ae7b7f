"""Passes of a network at sizes that are multiples of nothing, so that whatever it pads between its layers shows.

What a map is padded to is a side of the picture rounded up to a multiple; which multiples occur is told by the lengths
of axes that are just that. A network that pads the picture itself, before its first product, is seen here as well; its
program pads in ``input``, and `picture_multiple` tells to what.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from math import lcm
from typing import Any

from torch import nn

from intaglio.lower.align import Aligned, Shape, aligned
from intaglio.lower.trace import Ref
from intaglio.packed.size import rounded_up

SIZES = ((83, 127), (109, 178), (127, 109), (178, 83))
"""No side is a multiple of a window, and no two pads by a width are equal at all of them. The numbers of windows, along
each side and in all, tell their width: of the usual widths up to 64, no two give proportional numbers."""

_MOST = 128
"""The widest window that is looked for; the four sides tell all multiples up to it apart."""

_PRODUCTS = ("conv", "linear", "matmul", "mm", "bmm", "addmm", "baddbmm", "site")
"""Words in the names of operators behind which a map is no picture any more."""


def ragged(network: nn.Module, channels: int) -> Aligned | None:
    """The passes of a network at `SIZES`, with the multiples to which it rounds their sides up; None where it does not
    make the same calls at all of them."""
    found = aligned(network, channels, SIZES, 1)
    if found is None:
        return None
    multiples = sorted(set(_multiples(shape for call in found.calls for shape in call.shapes)))
    return replace(found, inside=tuple(multiples))


def _multiples(shapes: Iterable[Shape]) -> Iterator[int]:
    for shape in shapes:
        for axis in shape:
            if len(set(axis)) > 1 and (multiple := _MULTIPLES.get(axis)):
                yield multiple


_MULTIPLES = {
    tuple(rounded_up(side, multiple) for side in sides): multiple
    for multiple in range(2, _MOST + 1)
    for sides in zip(*SIZES, strict=True)
}


def picture_multiple(found: Aligned) -> int | None:
    """The multiple to which a network pads the picture before its first product; None where it does not."""
    pictures, multiples = {0}, [1]
    for call in found.calls:
        read = set(_numbers(call.args.values()))
        words = call.op.split(".")[1].split("_")
        if read and read <= pictures and not any(word in _PRODUCTS or word.startswith("conv") for word in words):
            pictures.update(call.outputs)
            multiples += _multiples(call.shapes)
    multiple = lcm(*multiples)
    return multiple if multiple > 1 else None


def _numbers(values: Iterable[Any]) -> Iterator[int]:
    for value in values:
        if isinstance(value, Ref):
            yield value.number
        elif isinstance(value, tuple):
            yield from _numbers(value)
