"""Lengths of axes that depend on the picture: polynomials in its padded height and width, evaluated exactly."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import gcd
from typing import Any

from intaglio.packed.errors import AttributeRangeError, ShapeError

Term = tuple[int, int, int, int]
"""Numerator, denominator, power of the height, power of the width."""

MAX_TERMS = 8
MAX_DEGREE = 3
MAX_COEFFICIENT = 1 << 31
MAX_LENGTH = 1 << 40
_WORD = 1 << 63


@dataclass(frozen=True)
class Size:
    """``sum num / den * h**a * w**b`` with the padded picture's height h and width w, never a mere constant.

    The terms are in lowest terms, without zeros, and ascend in (a, b), so that equal sizes are equal values. Constants
    are plain integers: an extent is ``Size | int``.
    Raises: AttributeRangeError if the terms are not so (remedy: build sizes with `polynomial`, `H` and `W`).

    >>> (H * W / 64).terms, evaluate(H * W / 64, height=16, width=24)
    (((1, 64, 1, 1),), 6)
    """

    terms: tuple[Term, ...]

    def __post_init__(self) -> None:
        degrees = [term[2:] for term in self.terms]
        if not (
            0 < len(self.terms) <= MAX_TERMS
            and all(a < b for a, b in pairwise(degrees))
            and degrees != [(0, 0)]
            and all(_sound(*term) for term in self.terms)
        ):
            raise AttributeRangeError(
                f"{str(self.terms)[:200]} is no size: 1 to {MAX_TERMS} terms (num, den, a, b), lowest, ascending, "
                f"powers up to {MAX_DEGREE}, numbers up to {MAX_COEFFICIENT}, no constant alone; lower it again."
            )

    def __add__(self, other: Extent) -> Extent:
        return polynomial([*self.terms, *terms_of(other)])

    def __sub__(self, other: Extent) -> Extent:
        return self + -1 * other

    def __mul__(self, other: Extent) -> Extent:
        return polynomial((n * m, d * e, a + x, b + y) for n, d, a, b in self.terms for m, e, x, y in terms_of(other))

    def __truediv__(self, divisor: int) -> Extent:
        return polynomial((n, d * divisor, a, b) for n, d, a, b in self.terms)

    __radd__ = __add__
    __rmul__ = __mul__

    def __rsub__(self, other: int) -> Extent:
        return -1 * self + other


Extent = Size | int
"""A length: a number, or one that depends on the picture."""


def _sound(num: int, den: int, a: int, b: int) -> bool:
    numbers = num != 0 and abs(num) <= MAX_COEFFICIENT and 1 <= den <= MAX_COEFFICIENT
    return numbers and gcd(num, den) == 1 and 0 <= a <= MAX_DEGREE and 0 <= b <= MAX_DEGREE


def terms_of(extent: Extent) -> tuple[Term, ...]:
    """The terms of an extent; those of a constant too.

    >>> terms_of(3)
    ((3, 1, 0, 0),)
    """
    return extent.terms if isinstance(extent, Size) else ((extent, 1, 0, 0),)


def polynomial(terms: Iterable[Term]) -> Extent:
    """The sum of terms, brought to the form that `Size` asks for; an integer where nothing depends on the picture.

    Raises: AttributeRangeError if the sum is a fraction that does not depend on the picture, or no `Size`.

    >>> polynomial([(1, 2, 1, 0), (1, 2, 1, 0)]) == H, polynomial([(6, 2, 0, 0)])
    (True, 3)
    """
    sums: dict[tuple[int, int], Fraction] = {}
    for num, den, a, b in terms:
        sums[a, b] = sums.get((a, b), Fraction(0)) + Fraction(num, den)
    kept = sorted((powers, value) for powers, value in sums.items() if value)
    if all(powers == (0, 0) for powers, _ in kept):
        constant = kept[0][1] if kept else Fraction(0)
        if constant.denominator != 1:
            raise AttributeRangeError(f"{constant} is no length; lower the network again.")
        return int(constant)
    return Size(tuple((value.numerator, value.denominator, *powers) for powers, value in kept))


H = Size(((1, 1, 1, 0),))
W = Size(((1, 1, 0, 1),))
AREA = Size(((1, 1, 1, 1),))


def evaluate(extent: Extent, height: int, width: int) -> int:
    """The length for a padded picture of `height` by `width` pixels.

    Guarantee: exact; every term divides without remainder and no product leaves 64 bits, as in the native core.
    Raises: ShapeError if that is not so, or the length is negative or above 2**40 (remedy: another size of picture).
    """
    if not isinstance(extent, Size):
        return extent
    total = 0
    for num, den, a, b in extent.terms:
        product = num * height**a * width**b
        quotient, rest = divmod(product, den)
        if rest or abs(product) >= _WORD:
            raise ShapeError(
                f"the length {describe(extent)} is no integer of 64 bits for a padded picture of {height} x {width}; "
                "give a picture of another size."
            )
        total += quotient
    if not 0 <= total <= MAX_LENGTH:
        raise ShapeError(
            f"the length {describe(extent)} is {total} for a padded picture of {height} x {width}, outside 0 to "
            f"{MAX_LENGTH}; give a picture of another size."
        )
    return total


def describe(extent: Extent) -> str:
    """The extent as a formula.

    >>> describe(H * W / 64 - 2), describe(7)
    ('-2 + h*w/64', '7')
    """
    if not isinstance(extent, Size):
        return str(extent)
    parts = []
    for num, den, a, b in extent.terms:
        powers = [f"{name}^{power}" if power > 1 else name for name, power in (("h", a), ("w", b)) if power]
        factors = ([str(num)] if num != 1 or not powers else []) + powers
        parts.append("*".join(factors) + (f"/{den}" if den != 1 else ""))
    return " + ".join(parts).replace("+ -", "- ")


def encode_extent(extent: Extent) -> int | list[list[int]]:
    """The extent in JSON: an integer, or the list of its terms."""
    return [list(term) for term in extent.terms] if isinstance(extent, Size) else extent


def decode_extent(value: Any) -> Any:
    """The extent that `encode_extent` wrote; what is no list is given back for the check of attributes to judge.

    Raises: AttributeRangeError if a list is no `Size`.
    """
    if not isinstance(value, list):
        return value
    if not all(isinstance(term, list) and [type(number) for number in term] == [int] * 4 for term in value):
        raise AttributeRangeError(f"{str(value)[:200]} is no size: each term must be four integers; lower it again.")
    return Size(tuple((term[0], term[1], term[2], term[3]) for term in value))
