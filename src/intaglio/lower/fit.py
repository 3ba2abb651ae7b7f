"""Lengths that were seen at several sizes of picture as polynomials in its height and width."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import product

from intaglio.lower.align import Side, SizeError
from intaglio.packed.size import Extent, polynomial

_POWERS = [(1, 0), (0, 1), (1, 1), (2, 0), (0, 2), (2, 1), (1, 2), (2, 2)]
"""Powers of height and width, the likely ones first."""


def fit(lengths: Side, sizes: Sequence[tuple[int, int]]) -> Extent:
    """The simplest polynomial with these values at these sizes: a number, one term, or one term and a number.

    Raises: SizeError if there is none.

    >>> from intaglio.packed.size import describe
    >>> describe(fit((6, 15, 21), ((16, 24), (24, 40), (56, 24)))), fit((3, 3, 3), ((16, 24), (24, 40), (56, 24)))
    ('h*w/64', 3)
    """
    if len(set(lengths)) == 1:
        return lengths[0]
    for (a, b), offset in product(_POWERS, (False, True)):
        bases = [height**a * width**b for height, width in sizes]
        for slope, start in _lines(bases, lengths, offset=offset):
            if all(slope * base + start == length for base, length in zip(bases, lengths, strict=True)):
                return polynomial([(slope.numerator, slope.denominator, a, b), (start, 1, 0, 0)])
    raise SizeError(
        f"a length is {', '.join(map(str, lengths))} for pictures of {', '.join(f'{h} x {w}' for h, w in sizes)};"
        " no polynomial of the programs' kind has these values."
    )


def _lines(bases: Sequence[int], lengths: Side, *, offset: bool) -> Iterator[tuple[Fraction, int]]:
    """The line through the origin, or the one through two points that meets the axis at an integer."""
    if not offset:
        yield Fraction(lengths[0], bases[0]), 0
    else:
        pairs = [(i, j) for i in range(len(bases)) for j in range(i) if bases[i] != bases[j]]
        for i, j in pairs[:1]:
            slope = Fraction(lengths[i] - lengths[j], bases[i] - bases[j])
            start = lengths[i] - slope * bases[i]
            if slope and start.denominator == 1:
                yield slope, int(start)
