"""The comparison sheets: a cut keeps the detail, and panels show pixels as squares."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from intaglio.demo.sheet import Version, cut_around, sheet

SIDE, DETAIL = 192, 48


def picture() -> np.ndarray:
    """Samples that tell their place."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    return np.stack([rows, columns, rows ^ columns], axis=2).astype(np.uint8)


@given(st.integers(0, SIDE - DETAIL), st.integers(0, SIDE - DETAIL))
def test_a_cut_keeps_the_detail_wherever_it_is(top: int, left: int) -> None:
    whole = picture()
    (cut,), corner = cut_around([Version("name", "figure", whole)], (top, left))
    assert cut.picture.shape == (2 * DETAIL, 2 * DETAIL, 3)
    detail = cut.picture[corner[0] : corner[0] + DETAIL, corner[1] : corner[1] + DETAIL]
    assert np.array_equal(detail, whole[top : top + DETAIL, left : left + DETAIL])


def test_a_panel_shows_the_detail_as_squares() -> None:
    whole = picture()
    drawn = sheet([Version("one", "1", whole), Version("other", "2", whole[::-1].copy())], (20, 30))
    assert drawn.shape == (46 + 2 * 396, 12 + 2 * 396, 3)
    lower = drawn[46 + 396 : 46 + 396 + 384, 12 : 12 + 384]
    assert np.array_equal(lower[4::8, 4::8], whole[20:68, 30:78])
    assert np.array_equal(lower[::8, ::8], lower[7::8, 7::8])
