"""What bicubic resizing must do on any picture: keep constants, commute with symmetries, stay in range."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intaglio.errors import ImageError
from intaglio.images import downscale, imresize, imresize_float, mod_crop, upscale

SCALES = st.sampled_from([Fraction(1, 8), Fraction(1, 4), Fraction(1, 3), Fraction(1, 2), Fraction(2, 3), 1, 2, 3, 4])
SIDES = st.integers(1, 24)
SEEDS = st.integers(0, 2**32 - 1)


def noise(seed: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@given(st.integers(0, 255), SIDES, SIDES, SCALES)
def test_a_constant_stays_constant(level: int, height: int, width: int, scale: Fraction | int) -> None:
    result = imresize(np.full((height, width, 3), level, np.uint8), scale)
    assert result.shape == (-(-height * scale // 1), -(-width * scale // 1), 3)
    assert (result == level).all()


@given(SEEDS, SIDES, SIDES)
def test_scale_1_is_the_identity(seed: int, height: int, width: int) -> None:
    image = noise(seed, height, width)
    assert np.array_equal(imresize(image, 1), image)


@given(SEEDS, SIDES, SIDES, SCALES)
def test_mirroring_commutes_where_the_size_divides(seed: int, height: int, width: int, scale: Fraction | int) -> None:
    # Whole multiples of the scale's denominator: otherwise MATLAB's grid is not centred on the picture.
    multiple = Fraction(scale).denominator
    image = noise(seed, height * multiple, width * multiple).astype(np.float64)
    one, other = imresize_float(image[:, ::-1], scale), imresize_float(image, scale)[:, ::-1]
    # 40 products of at most 255 in float64 and weights that are themselves off by a few units in the last place.
    assert np.abs(one - other).max() <= 255 * 40 * 4 * np.finfo(np.float64).eps * 8


@given(SEEDS, SIDES, SIDES, st.integers(1, 4))
def test_channels_are_independent(seed: int, height: int, width: int, scale: int) -> None:
    image = noise(seed, height, width)
    assert np.array_equal(downscale(image, scale)[..., 1], downscale(image[..., 1], scale))


@given(SEEDS, SIDES, SIDES, st.integers(1, 4))
def test_shapes_of_both_directions(seed: int, height: int, width: int, scale: int) -> None:
    image = noise(seed, height, width)
    assert upscale(image, scale).shape == (height * scale, width * scale, 3)
    assert downscale(upscale(image, scale), scale).shape == image.shape


@given(SIDES, SIDES, st.sampled_from([2, 3, 4]))
def test_a_ramp_stays_a_ramp_inside(height: int, width: int, scale: int) -> None:
    ramp = np.arange(8.0 * scale + width)[None, :].repeat(height, axis=0)
    result = imresize_float(ramp, scale)[:, 2 * scale : -2 * scale]
    expected = (np.arange(ramp.shape[1] * scale) + 0.5)[2 * scale : -2 * scale] / scale - 0.5
    # Keys' kernel reproduces straight lines exactly away from the mirrored border; values below 64, 6 roundings each.
    assert np.abs(result - expected).max() <= 64 * 12 * np.finfo(np.float64).eps


@given(SEEDS, SIDES, SIDES, SCALES)
def test_float_and_uint8_differ_by_their_two_roundings(seed: int, height: int, width: int, scale: int) -> None:
    image = 64 + noise(seed, height, width) // 2  # far enough from 0 and 255 that overshoot is not clamped
    exact = imresize_float(image.astype(np.float64), scale)
    # Half a level of its own, and half a level of the first pass spread by weights of absolute sum below 1.3.
    assert np.abs(imresize(image, scale) - exact).max() <= 0.5 + 0.5 * 1.3


@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 6))
def test_mod_crop(height: int, width: int, multiple: int) -> None:
    image = np.zeros((height, width, 3), np.uint8)
    if min(height, width) < multiple:
        with pytest.raises(ImageError, match="take a larger one"):
            mod_crop(image, multiple)
    else:
        h, w = mod_crop(image, multiple).shape[:2]
        assert h % multiple == w % multiple == 0
        assert height - h < multiple
        assert width - w < multiple


@pytest.mark.parametrize("scale", [0, -1, Fraction(-1, 2)])
def test_a_scale_must_be_positive(scale: Fraction | int) -> None:
    with pytest.raises(ImageError, match="above 0"):
        imresize(np.zeros((4, 4, 3), np.uint8), scale)


@pytest.mark.parametrize("shape", [(0, 4, 3), (4, 0, 3)])
def test_an_empty_picture_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ImageError, match="empty"):
        upscale(np.zeros(shape, np.uint8), 2)
