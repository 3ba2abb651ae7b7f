"""Lengths that were seen at several sizes of picture as polynomials in its height and width, or these rounded up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import product
from math import prod

from intaglio.lower.align import Side, SizeError
from intaglio.packed.size import Extent, H, Size, W, evaluate, polynomial, whole

_POWERS = [(1, 0), (0, 1), (1, 1), (2, 0), (0, 2), (2, 1), (1, 2), (2, 2)]
"""Powers of height and width, the likely ones first."""


def fit(lengths: Side, sizes: Sequence[tuple[int, int]], multiples: Sequence[int] = ()) -> Extent:
    """The simplest polynomial with these values at these sizes: a number, one term, or one term and a number.

    `multiples` are those to which sides may have been rounded up. Raises: SizeError if there is none.

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
                return polynomial([(slope.numerator, slope.denominator, a, b, 1, 1), (start, 1, 0, 0, 1, 1)])
    found = _rounded_up(lengths, sizes, multiples)
    if found is not None:
        return found
    raise SizeError(
        f"a length is {', '.join(map(str, lengths))} for pictures of {', '.join(f'{h} x {w}' for h, w in sizes)};"
        " no polynomial of the programs' kind has these values."
    )


def _rounded_up(lengths: Side, sizes: Sequence[tuple[int, int]], multiples: Sequence[int]) -> Extent | None:
    """A side or an area of whole windows, or their number; then what is missing to a side, or a number added to it."""
    sides = [(whole(side, multiple), side) for multiple in multiples for side in (H, W)]
    for base in (*(large for large, _ in sides), *_areas(multiples)):
        values = [evaluate(base, *size) for size in sizes]
        slope = Fraction(lengths[0], values[0])
        counted = prod(base.terms[0][4:]) % slope.denominator == 0
        if counted and all(slope * value == length for value, length in zip(values, lengths, strict=True)):
            (num, den, *rest), *_ = base.terms
            return polynomial([(num * slope.numerator, den * slope.denominator, *rest)])  # type: ignore[list-item]
    for extra in (*(large - side for large, side in sides), *(large for large, _ in sides)):
        starts = {length - evaluate(extra, *size) for length, size in zip(lengths, sizes, strict=True)}
        if len(starts) == 1:
            return extra + starts.pop()
    return None


def _areas(multiples: Sequence[int]) -> Iterator[Size]:
    """Products of two sides rounded up, to the same multiple first, then to different ones."""
    for p, q in sorted(product((*multiples, 1), repeat=2), key=lambda pair: pair[0] != pair[1]):
        area = whole(H, p) * whole(W, q)
        assert isinstance(area, Size)
        yield area


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
