"""Synthetic pictures: any size, always the same for a seed, with the spectrum and colours of natural pictures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intaglio import images
from intaglio.errors import CalibrationError, ImageError
from intaglio.images.leaves import OUTLINES, TEXTURES, fractal_field, power_law_radii, random_colours

SIDES = st.integers(1, 40)
SEEDS = st.integers(0, 2**32 - 1)


def power_slope(picture: np.ndarray) -> float:
    """Slope of the radial power spectrum of the green channel in log-log scale, 1/32 to 1/4 cycles per pixel."""
    side = len(picture)
    window = np.hanning(side)
    green = picture[..., 1] - picture[..., 1].mean()
    power = np.abs(np.fft.fft2(green * np.outer(window, window))) ** 2
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)[None, :])
    edges = np.geomspace(1 / 32, 1 / 4, 10)
    band = np.digitize(frequency, edges)
    mean = [power[band == k].mean() for k in range(1, len(edges))]
    return float(np.polyfit(np.log(np.sqrt(edges[1:] * edges[:-1])), np.log(mean), 1)[0])


@pytest.mark.parametrize("draw", [images.dead_leaves, images.test_scene])
@settings(max_examples=30)
@given(height=SIDES, width=SIDES, seed=SEEDS)
def test_any_size_and_deterministic(draw: object, height: int, width: int, seed: int) -> None:
    picture = draw(height, width, seed)  # type: ignore[operator]
    assert picture.shape == (height, width, 3)
    assert picture.dtype == np.uint8
    assert np.array_equal(picture, draw(height, width, seed))  # type: ignore[operator]


@pytest.mark.parametrize("draw", [images.dead_leaves, images.test_scene])
def test_other_seeds_draw_other_pictures(draw: object) -> None:
    pictures = [draw(32, 32, seed) for seed in range(4)]  # type: ignore[operator]
    assert len({picture.tobytes() for picture in pictures}) == 4


def test_the_spectrum_falls_as_in_natural_pictures() -> None:
    slopes = [power_slope(picture) for picture in images.calibration_pictures(12, 96, seed=1)]
    # Photographs lie between -3 and -1.3 (5th and 95th percentile of the project's); white noise has 0.
    assert -3.0 < np.median(slopes) < -1.8
    assert all(-3.6 < slope < -1.3 for slope in slopes)


def test_colours_are_correlated_as_in_natural_pictures() -> None:
    covariance = np.mean([np.cov(p.reshape(-1, 3).T) for p in images.calibration_pictures(12, 64, seed=2)], axis=0)
    deviations = np.sqrt(np.diag(covariance))
    red_green, red_blue, green_blue = (covariance / np.outer(deviations, deviations))[np.triu_indices(3, 1)]
    assert 0.8 < red_green < 0.97  # photographs: 0.85 to 0.88
    assert 0.8 < green_blue < 0.97  # 0.86 to 0.87
    assert 0.5 < red_blue < min(red_green, green_blue)  # 0.65 to 0.69: red and blue differ most
    assert 25 < deviations.mean() < 75


def test_a_longer_list_begins_with_the_shorter_one() -> None:
    short, long = (images.calibration_pictures(count, 24, seed=3) for count in (2, 4))
    assert all(np.array_equal(a, b) for a, b in zip(short, long, strict=False))
    assert len({picture.tobytes() for picture in long}) == 4


@given(SEEDS, st.floats(0.5, 4), st.floats(1.5, 50))
def test_radii_follow_the_power_law(seed: int, smallest: float, ratio: float) -> None:
    radii = power_law_radii(np.random.default_rng(seed), 4000, smallest, smallest * ratio)
    assert (radii >= smallest * (1 - 1e-12)).all()
    assert (radii <= smallest * ratio * (1 + 1e-12)).all()
    middle = smallest * np.sqrt(ratio)
    expected = (1 - middle**-2 * smallest**2) / (1 - ratio**-2)
    # Six standard deviations of a share of 4000 draws.
    assert abs(np.mean(radii < middle) - expected) <= 6 * np.sqrt(expected * (1 - expected) / 4000)


@given(SEEDS, SIDES, SIDES, st.floats(0, 2))
def test_fields_are_normalised_and_finite(seed: int, height: int, width: int, exponent: float) -> None:
    field = fractal_field(np.random.default_rng(seed), height, width, exponent)
    assert field.shape == (height, width)
    assert abs(field.mean()) <= 1e-12 * height * width
    assert field.std() == pytest.approx(float(height * width > 1), abs=1e-9)


@pytest.mark.parametrize("outline", OUTLINES)
def test_outlines_hold_their_centre_and_stay_within_their_radius(outline: object) -> None:
    y, x = np.mgrid[-20:21, -20:21].astype(float)
    for seed in range(20):
        inside = outline(np.random.default_rng(seed), x, y, 10.0)  # type: ignore[operator]
        assert inside[20, 20] > 0
        # A bar's corners reach furthest: half length 10, half width at most 8.
        assert (inside[np.hypot(x, y) > np.hypot(10, 8)] < 0).all()


@pytest.mark.parametrize("texture", TEXTURES)
def test_textures_stay_moderate(texture: object) -> None:
    u = np.linspace(-10, 10, 101)[None, :]
    for seed in range(20):
        values = texture(np.random.default_rng(seed), u, 10.0)  # type: ignore[operator]
        assert values.shape == u.shape
        assert np.abs(values).max() <= 40


def test_colour_deviations_have_the_measured_axes() -> None:
    covariance = np.cov(random_colours(np.random.default_rng(0), 100_000).T)
    # Deviations 83, 31 and 13 along three orthonormal axes; 2 % is ten standard errors of 100,000 draws.
    assert np.sqrt(np.linalg.eigvalsh(covariance)) == pytest.approx([13, 31, 83], rel=0.02)


@pytest.mark.parametrize(("height", "width"), [(0, 4), (4, 0), (-1, 4)])
def test_sizes_below_1_are_refused(height: int, width: int) -> None:
    with pytest.raises(CalibrationError, match="at least 1"):
        images.dead_leaves(height, width, 0)
    with pytest.raises(ImageError, match="at least 1"):
        images.test_scene(height, width, 0)


@pytest.mark.parametrize(("count", "size"), [(0, 8), (2, 0)])
def test_no_pictures_asked_for(count: int, size: int) -> None:
    with pytest.raises(CalibrationError, match="at least 1"):
        images.calibration_pictures(count, size, 0)
