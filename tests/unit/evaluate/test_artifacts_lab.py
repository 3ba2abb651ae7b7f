"""CIELAB and CIEDE2000 against scikit-image and the published pairs of Sharma, Wu and Dalal."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.color import deltaE_ciede2000, rgb2lab

from intaglio.evaluate.artifacts import delta_e_2000, srgb_to_lab

# Table 1 of the paper, for the branches of the formula: blue rotation, hue wrapping, neutral colours, large steps.
PUBLISHED = [
    ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
    ((50.0, 0.0, 0.0), (50.0, -1.0, 2.0), 2.3669),
    ((50.0, 2.4900, -0.0010), (50.0, -2.4900, 0.0009), 7.1792),
    ((50.0, 2.4900, -0.0010), (50.0, -2.4900, 0.0011), 7.2195),
    ((50.0, 2.5, 0.0), (73.0, 25.0, -18.0), 27.1492),
    ((63.0109, -31.0961, -5.8663), (62.8187, -29.7946, -4.0864), 1.2630),
    ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
]


@pytest.mark.parametrize(("one", "other", "expected"), PUBLISHED)
def test_published_pairs_both_ways(one: tuple[float, ...], other: tuple[float, ...], expected: float) -> None:
    for pair in ((one, other), (other, one)):
        assert round(float(delta_e_2000(*(np.array(lab) for lab in pair))), 4) == expected


def test_lab_agrees_with_scikit_image() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    # the two differ by the fifth digit of the matrix and the white point only
    assert np.abs(srgb_to_lab(image) - rgb2lab(image)).max() < 0.05


def test_difference_agrees_with_scikit_image() -> None:
    rng = np.random.default_rng(1)
    one, other = (srgb_to_lab(rng.integers(0, 256, (50, 50, 3), dtype=np.uint8)) for _ in range(2))
    # two double-precision evaluations of one formula, its largest intermediate value about 1e12 (chroma to the seventh)
    np.testing.assert_allclose(delta_e_2000(one, other), deltaE_ciede2000(one, other), atol=1e-9)


@given(st.tuples(*[st.integers(0, 255)] * 3), st.tuples(*[st.integers(0, 255)] * 3))
def test_difference_is_symmetric_and_zero_for_equals(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    a, b = (srgb_to_lab(np.array(colour, np.uint8)) for colour in (one, other))
    assert delta_e_2000(a, a) == 0.0
    assert abs(delta_e_2000(a, b) - delta_e_2000(b, a)) <= 1e-9 * (1 + delta_e_2000(a, b))
