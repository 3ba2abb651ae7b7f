"""Lengths of axes that depend on the picture: polynomials in its padded height and width, and in these rounded up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import gcd
from typing import Any

from intaglio.packed.errors import AttributeRangeError, ShapeError

Term = tuple[int, int, int, int, int, int]
"""Numerator, denominator, power of the height, power of the width, and the numbers to whose multiples height and width
are rounded up first (1 where they are not)."""

MAX_TERMS = 8
MAX_DEGREE = 3
MAX_COEFFICIENT = 1 << 31
MAX_LENGTH = 1 << 40
MAX_MULTIPLE = 256
_WORD = 1 << 63


@dataclass(frozen=True)
class Size:
    """``sum num / den * up(h, p)**a * up(w, q)**b``, never a mere constant.

    h and w are the padded picture's height and width, ``up(n, p)`` is n rounded up to a multiple of p. The terms are
    in lowest terms, without zeros, and ascend in (a, b, p, q), so that equal sizes are equal values; p is 1 where a
    is 0, q where b is. Constants are plain integers: an extent is ``Size | int``.
    Raises: AttributeRangeError if the terms are not so (remedy: build sizes with `polynomial`, `H`, `W`, `whole`).

    >>> (H * W / 64).terms, evaluate(H * W / 64, height=16, width=24)
    (((1, 64, 1, 1, 1, 1),), 6)
    """

    terms: tuple[Term, ...]

    def __post_init__(self) -> None:
        degrees = [term[2:] for term in self.terms]
        if not (
            0 < len(self.terms) <= MAX_TERMS
            and all(a < b for a, b in pairwise(degrees))
            and degrees != [(0, 0, 1, 1)]
            and all(_sound(*term) for term in self.terms)
        ):
            raise AttributeRangeError(
                f"{str(self.terms)[:200]} is no size: 1 to {MAX_TERMS} terms (num, den, a, b, p, q), lowest, "
                f"ascending, powers up to {MAX_DEGREE}, multiples up to {MAX_MULTIPLE}, numbers up to "
                f"{MAX_COEFFICIENT}, no constant alone; lower it again."
            )

    def __add__(self, other: Extent) -> Extent:
        return polynomial([*self.terms, *terms_of(other)])

    def __sub__(self, other: Extent) -> Extent:
        return self + -1 * other

    def __mul__(self, other: Extent) -> Extent:
        return polynomial(_product(one, two) for one in self.terms for two in terms_of(other))

    def __truediv__(self, divisor: int) -> Extent:
        return polynomial((num, den * divisor, *rest) for num, den, *rest in self.terms)  # type: ignore[misc]

    __radd__ = __add__
    __rmul__ = __mul__

    def __rsub__(self, other: int) -> Extent:
        return -1 * self + other


Extent = Size | int
"""A length: a number, or one that depends on the picture."""


def _sound(num: int, den: int, a: int, b: int, p: int, q: int) -> bool:
    numbers = num != 0 and abs(num) <= MAX_COEFFICIENT and 1 <= den <= MAX_COEFFICIENT and gcd(num, den) == 1
    powers = 0 <= a <= MAX_DEGREE and 0 <= b <= MAX_DEGREE
    return numbers and powers and all(1 <= p <= (MAX_MULTIPLE if power else 1) for p, power in ((p, a), (q, b)))


def _product(one: Term, two: Term) -> Term:
    """Raises: AttributeRangeError for a side times the same side rounded to another multiple, which no term holds."""
    num, den = one[0] * two[0], one[1] * two[1]
    multiples = []
    for power, multiple in ((2, 4), (3, 5)):
        found = {term[multiple] for term in (one, two) if term[power]}
        if len(found) > 1:
            raise AttributeRangeError(f"a side times itself rounded up, {one} and {two}, is no size; lower it again.")
        multiples.append(found.pop() if found else 1)
    return num, den, one[2] + two[2], one[3] + two[3], multiples[0], multiples[1]


def terms_of(extent: Extent) -> tuple[Term, ...]:
    """The terms of an extent; those of a constant too.

    >>> terms_of(3)
    ((3, 1, 0, 0, 1, 1),)
    """
    return extent.terms if isinstance(extent, Size) else ((extent, 1, 0, 0, 1, 1),)


def polynomial(terms: Iterable[Term]) -> Extent:
    """The sum of terms, brought to the form that `Size` asks for; an integer where nothing depends on the picture.

    Raises: AttributeRangeError if the sum is a fraction that does not depend on the picture, or no `Size`.

    >>> polynomial([(1, 2, 1, 0, 1, 1), (1, 2, 1, 0, 1, 1)]) == H, polynomial([(6, 2, 0, 0, 1, 1)])
    (True, 3)
    """
    sums: dict[tuple[int, int, int, int], Fraction] = {}
    for num, den, *powers in terms:
        a, b, p, q = powers
        sums[a, b, p, q] = sums.get((a, b, p, q), Fraction(0)) + Fraction(num, den)
    kept = sorted((key, value) for key, value in sums.items() if value)
    if all(key == (0, 0, 1, 1) for key, _ in kept):
        constant = kept[0][1] if kept else Fraction(0)
        if constant.denominator != 1:
            raise AttributeRangeError(f"{constant} is no length; lower the network again.")
        return int(constant)
    return Size(tuple((value.numerator, value.denominator, *key) for key, value in kept))


H = Size(((1, 1, 1, 0, 1, 1),))
W = Size(((1, 1, 0, 1, 1, 1),))
AREA = Size(((1, 1, 1, 1, 1, 1),))


def whole(side: Size, multiple: int) -> Size:
    """A side, `H` or `W`, rounded up to a multiple.

    >>> evaluate(whole(W, 8), height=5, width=9), describe(whole(H, 8) - H)
    (16, '-h + up(h, 8)')
    """
    (num, den, a, b, _, _), *_ = side.terms
    return Size(((num, den, a, b, multiple if a else 1, multiple if b else 1),))


def rounded_up(length: int, multiple: int) -> int:
    """The smallest multiple that is not below a length.

    >>> rounded_up(9, 8), rounded_up(16, 8)
    (16, 16)
    """
    return -(-length // multiple) * multiple


def evaluate(extent: Extent, height: int, width: int) -> int:
    """The length for a padded picture of `height` by `width` pixels.

    Guarantee: exact; every term divides without remainder and no product leaves 64 bits, as in the native core.
    Raises: ShapeError if that is not so, or the length is negative or above 2**40 (remedy: another size of picture).
    """
    if not isinstance(extent, Size):
        return extent
    total = 0
    for num, den, a, b, p, q in extent.terms:
        product = num * rounded_up(height, p) ** a * rounded_up(width, q) ** b
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
    for num, den, a, b, p, q in extent.terms:
        sides = [(f"up({name}, {multiple})" if multiple > 1 else name) for name, multiple in (("h", p), ("w", q))]
        powers = [f"{name}^{power}" if power > 1 else name for name, power in zip(sides, (a, b), strict=True) if power]
        factors = ([str(num)] if num != 1 or not powers else []) + powers
        parts.append("*".join(factors) + (f"/{den}" if den != 1 else ""))
    return " + ".join(parts).replace("+ -", "- ").replace("-1*", "-")


def encode_extent(extent: Extent) -> int | list[list[int]]:
    """The extent in JSON: an integer, or the list of its terms, four integers each, six where a side is rounded up."""
    if not isinstance(extent, Size):
        return extent
    return [list(term[:4] if term[4:] == (1, 1) else term) for term in extent.terms]


def _is_term(value: Any) -> bool:
    """Four integers, or six where the last two round something up: each term is written in one way alone."""
    if not isinstance(value, list) or not all(type(one) is int for one in value):
        return False
    return len(value) == 4 or (len(value) == 6 and value[4:] != [1, 1])


def decode_extent(value: Any) -> Any:
    """The extent that `encode_extent` wrote; what is no list is given back for the check of attributes to judge.

    Raises: AttributeRangeError if a list is no `Size`.
    """
    if not isinstance(value, list):
        return value
    if not all(_is_term(term) for term in value):
        raise AttributeRangeError(
            f"{str(value)[:200]} is no size: a term is four integers, or six with a side rounded up; lower it again."
        )
    return Size(tuple((*term[:4], *(term[4:] or (1, 1))) for term in value))
