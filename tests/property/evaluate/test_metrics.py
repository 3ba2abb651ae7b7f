"""What the metrics must do on any pair of pictures: symmetry, perfection, offsets, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intaglio.errors import ImageError
from intaglio.evaluate import psnr_y, rgb_to_y, ssim_y

SEEDS = st.integers(0, 2**32 - 1)
SIDES = st.integers(19, 30)
CROPS = st.integers(0, 4)


def noise(seed: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@given(SEEDS, SIDES, SIDES, CROPS)
def test_equal_pictures_are_perfect(seed: int, height: int, width: int, crop: int) -> None:
    image = noise(seed, height, width)
    assert psnr_y(image, image, crop) == math.inf
    assert ssim_y(image, image, crop) == pytest.approx(1.0, abs=1e-11)  # as in the parity test


@given(SEEDS, SIDES, SIDES, CROPS)
def test_both_are_symmetric_and_turn_with_the_picture(seed: int, height: int, width: int, crop: int) -> None:
    one, other = noise(seed, height, width), noise(seed + 1, height, width)
    turned = one.swapaxes(0, 1), other.swapaxes(0, 1)
    assert psnr_y(one, other, crop) == psnr_y(other, one, crop)
    assert psnr_y(*turned, crop) == pytest.approx(psnr_y(one, other, crop), rel=1e-13)
    assert ssim_y(one, other, crop) == pytest.approx(ssim_y(other, one, crop), abs=1e-11)
    assert ssim_y(*turned, crop) == pytest.approx(ssim_y(one, other, crop), abs=1e-11)


@given(SEEDS, SIDES, SIDES, st.integers(1, 4))
def test_what_is_cropped_does_not_count(seed: int, height: int, width: int, crop: int) -> None:
    hr = noise(seed, height, width)
    sr = noise(seed + 1, height, width)
    sr[crop:-crop, crop:-crop] = hr[crop:-crop, crop:-crop]
    assert psnr_y(sr, hr, crop) == math.inf


@given(st.integers(0, 254), st.integers(1, 255))
def test_a_constant_error_has_a_closed_form(level: int, error: int) -> None:
    error = min(error, 255 - level)
    hr = np.full((11, 11, 3), level, np.uint8)
    expected = 20 * math.log10(255 * 255 / (219 * error))
    assert psnr_y(hr + np.uint8(error), hr, 0) == pytest.approx(expected, rel=1e-12)


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_luma_lies_in_the_limited_range(colour: tuple[int, int, int]) -> None:
    luma = float(rgb_to_y(np.array([[colour]], np.uint8))[0, 0])
    assert 16 - 1e-12 <= luma <= 235 + 1e-12


@pytest.mark.parametrize("metric", [psnr_y, ssim_y])
def test_sizes_must_be_equal(metric: object) -> None:
    with pytest.raises(ImageError, match="20 x 20 pixels with 20 x 21"):
        metric(noise(0, 20, 20), noise(0, 21, 20), 2)  # type: ignore[operator]


@pytest.mark.parametrize(("metric", "side", "crop"), [(psnr_y, 4, 2), (ssim_y, 14, 2), (psnr_y, 4, -1)])
def test_too_small_after_the_crop(metric: object, side: int, crop: int) -> None:
    with pytest.raises(ImageError, match="take larger pictures"):
        metric(noise(0, side, side), noise(1, side, side), crop)  # type: ignore[operator]
