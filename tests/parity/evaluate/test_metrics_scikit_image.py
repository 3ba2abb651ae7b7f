"""PSNR-Y and SSIM-Y against scikit-image, an independent implementation."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from intaglio.evaluate import psnr_y, rgb_to_y, ssim_y

SHAPES = [(11, 11), (12, 40), (37, 23)]


def pictures(height: int, width: int, noise: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(height * width + noise)
    hr = rng.integers(0, 256, (height, width, 3))
    sr = np.clip(hr + rng.integers(-noise, noise + 1, hr.shape), 0, 255)
    return sr.astype(np.uint8), hr.astype(np.uint8)


@pytest.mark.parametrize("shape", SHAPES)
def test_luma(shape: tuple[int, int]) -> None:
    image, _ = pictures(*shape, noise=9)
    # The same three products and sums, in another order; values below 256, some tens of roundings.
    assert np.abs(rgb_to_y(image) - rgb2ycbcr(image)[..., 0]).max() <= 256 * 32 * np.finfo(np.float64).eps


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("crop", [0, 2, 4])
@pytest.mark.parametrize("noise", [1, 20, 255])
def test_psnr(shape: tuple[int, int], crop: int, noise: int) -> None:
    sr, hr = pictures(shape[0] + 2 * crop, shape[1] + 2 * crop, noise)
    inside = np.s_[crop : crop + shape[0], crop : crop + shape[1]]
    expected = peak_signal_noise_ratio(rgb_to_y(hr)[inside], rgb_to_y(sr)[inside], data_range=255)
    assert psnr_y(sr, hr, crop) == pytest.approx(expected, rel=1e-13)  # same sums, pairwise, in float64


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("crop", [0, 2, 4])
@pytest.mark.parametrize("noise", [1, 20, 255])
def test_ssim(shape: tuple[int, int], crop: int, noise: int) -> None:
    sr, hr = pictures(shape[0] + 2 * crop, shape[1] + 2 * crop, noise)
    inside = np.s_[crop : crop + shape[0], crop : crop + shape[1]]
    expected = structural_similarity(
        rgb_to_y(hr)[inside],
        rgb_to_y(sr)[inside],
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=255,
    )
    # Variances are differences of numbers up to 255**2, over C2 = 58: about 1000 times 22 roundings of 1e-16 each.
    assert ssim_y(sr, hr, crop) == pytest.approx(expected, abs=1e-11)
