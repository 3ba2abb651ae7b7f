"""Sizes: exact evaluation against fractions, one form for one polynomial, JSON and back, refusals."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intaglio.packed.errors import AttributeRangeError, ShapeError
from intaglio.packed.size import (
    AREA,
    Extent,
    H,
    Size,
    Term,
    W,
    decode_extent,
    encode_extent,
    evaluate,
    polynomial,
    terms_of,
    whole,
)

numbers = st.integers(-40, 40)
multiples = st.sampled_from([1, 1, 5, 8, 64])
terms = st.tuples(
    numbers, st.sampled_from([1, 2, 3, 8]), st.integers(0, 2), st.integers(0, 2), multiples, multiples
).map(lambda term: (*term[:4], term[4] if term[2] else 1, term[5] if term[3] else 1))


def value_of(term: Term, h: int, w: int) -> Fraction:
    num, den, a, b, p, q = term
    high = min(n for n in range(h, h + p) if n % p == 0)
    wide = min(n for n in range(w, w + q) if n % q == 0)
    return Fraction(num, den) * high**a * wide**b


@given(st.lists(terms, max_size=5), st.integers(1, 10), st.integers(1, 10))
def test_a_polynomial_is_exact_or_refused(parts: list[Term], h: int, w: int) -> None:
    h, w = 24 * h, 24 * w
    total = sum((value_of(term, h, w) for term in parts), Fraction(0))
    try:
        extent = polynomial(parts)
    except AttributeRangeError:
        assert sum(Fraction(num, den) for num, den, a, b, *_ in parts if (a, b) == (0, 0)).denominator != 1
        return
    assert decode_extent(encode_extent(extent)) == extent
    if not isinstance(extent, Size):
        assert extent == total
    elif total >= 0 and all(value_of(term, h, w) % 1 == 0 for term in terms_of(extent)):
        assert evaluate(extent, h, w) == total
    else:
        with pytest.raises(ShapeError):
            evaluate(extent, h, w)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(-9, 9))
def test_arithmetic_is_that_of_lengths(h: int, w: int, number: int) -> None:
    assert evaluate((H + 20) * W - number, h, w) == (h + 20) * w - number
    assert evaluate(300 - AREA + 3 * H, h, w) == 300 - h * w + 3 * h
    assert evaluate(AREA * H / 3, 3 * h, w) == 3 * h * h * w
    assert H - H == 0
    assert evaluate(whole(H, 8) * whole(W, 5) / 40, h, w) == -(-h // 8) * -(-w // 5)
    assert evaluate(whole(H, 8) - H, h, w) == -h % 8


def test_a_side_times_itself_rounded_is_refused() -> None:
    with pytest.raises(AttributeRangeError, match="no size"):
        _ = H * whole(H, 8)


@pytest.mark.parametrize(
    "wrong",
    [
        (), ((1, 1, 0, 0, 1, 1),), ((0, 1, 1, 0, 1, 1),), ((2, 4, 1, 0, 1, 1),), ((1, -1, 1, 0, 1, 1),),
        ((1, 1, 4, 0, 1, 1),), ((1, 1, 1, 0, 1, 1), (1, 1, 0, 1, 1, 1)), ((1, 1, 1, 0, 1, 1), (1, 1, 1, 0, 1, 1)),
        ((1 << 40, 1, 1, 0, 1, 1),), ((1, 1, 1, 0, 0, 1),), ((1, 1, 1, 0, 8, 8),), ((1, 1, 1, 0, 257, 1),),
        tuple((1, 1, a, b, 1, 1) for a in range(3) for b in range(3)),
    ],
)  # fmt: skip
def test_other_forms_are_refused(wrong: tuple[Term, ...]) -> None:
    with pytest.raises(AttributeRangeError, match="no size"):
        Size(wrong)


@pytest.mark.parametrize(
    ("extent", "sides"), [(H / 8, (9, 8)), (H - 5, (4, 4)), (AREA * AREA, (1 << 20, 1)), (H * H * H, (1 << 21, 1))]
)
def test_lengths_that_are_none_are_refused(extent: Extent, sides: tuple[int, int]) -> None:
    if extent == AREA * AREA:
        assert evaluate(extent, 1 << 20, 1) == 1 << 40
    with pytest.raises(ShapeError, match="another size"):
        evaluate(extent, sides[0] + (extent == AREA * AREA), sides[1])
