"""PSNR-Y and SSIM-Y of the super-resolution literature, in float64.

On BT.601 limited-range luma only; which pictures are compared, and how they are cropped, is `protocol.py`'s matter.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float64, UInt8

from intaglio.errors import ImageError

EQUAL_PSNR = 999.0
"""Stands in files for the infinite PSNR, in dB, of equal pictures."""

_LUMA_WEIGHTS = np.array([65.481, 128.553, 24.966]) / 255
_LUMA_OFFSET = 16.0
_PEAK = 255.0
_WINDOW = 11
_SIGMA = 1.5
_C1, _C2 = (0.01 * _PEAK) ** 2, (0.03 * _PEAK) ** 2


def rgb_to_y(image: UInt8[np.ndarray, "h w 3"]) -> Float64[np.ndarray, "h w"]:
    """Luma of an RGB picture: ``Y = 16 + (65.481 R + 128.553 G + 24.966 B) / 255``, not rounded.

    Shapes: (h, w, 3) to (h, w). Units: grey levels 0-255 to 16-235.
    Source: ITU-R BT.601, limited range, as MATLAB's `rgb2ycbcr`.

    >>> rgb_to_y(np.array([[[0, 0, 0], [255, 255, 255]]], np.uint8)).tolist()
    [[16.0, 235.0]]
    """
    return image @ _LUMA_WEIGHTS + _LUMA_OFFSET


def psnr_y(sr: UInt8[np.ndarray, "h w 3"], hr: UInt8[np.ndarray, "H W 3"], crop: int) -> float:
    """Peak signal-to-noise ratio on luma with peak 255, `crop` pixels left out on each side.

    Units: dB; infinite for equal luma. Raises: ImageError when the sizes differ or nothing is left after the crop.

    >>> gray, lighter = np.full((8, 8, 3), 100, np.uint8), np.full((8, 8, 3), 101, np.uint8)
    >>> round(psnr_y(gray, lighter, crop=2), 2)  # luma differs by 219 / 255: 20 log10(255 * 255 / 219)
    49.45
    """
    difference = np.subtract(*_cropped_luma(sr, hr, crop, smallest=1))
    mse = float(np.mean(difference * difference))
    return 10 * math.log10(_PEAK**2 / mse) if mse > 0 else math.inf


def finite_psnr(psnr: float) -> float:
    """A PSNR in dB as files hold it: JSON has no infinity, so that `EQUAL_PSNR` stands for that of equal pictures.

    >>> finite_psnr(37.2), finite_psnr(math.inf)
    (37.2, 999.0)
    """
    return min(psnr, EQUAL_PSNR)


def ssim_y(sr: UInt8[np.ndarray, "h w 3"], hr: UInt8[np.ndarray, "H W 3"], crop: int) -> float:
    """Mean structural similarity on luma, `crop` pixels left out on each side; 1 for equal pictures.

    Gaussian window 11 x 11 with sigma 1.5, population moments, only where the window fits entirely (valid region).

    Raises: ImageError when the sizes differ or fewer than 11 x 11 pixels are left after the crop.
    Source: Wang et al., IEEE TIP 13(4), 2004, equation (13), with K1 = 0.01, K2 = 0.03, L = 255.
    """
    x, y = _cropped_luma(sr, hr, crop, smallest=_WINDOW)
    mean_x, mean_y, xx, yy, xy = _gaussian_valid(np.stack([x, y, x * x, y * y, x * y]))
    luminance = (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
    variances = xx - mean_x**2 + yy - mean_y**2
    structure = (2 * (xy - mean_x * mean_y) + _C2) / (variances + _C2)
    return float(np.mean(luminance * structure))


def _cropped_luma(
    sr: UInt8[np.ndarray, "h w 3"], hr: UInt8[np.ndarray, "H W 3"], crop: int, smallest: int
) -> tuple[Float64[np.ndarray, "a b"], Float64[np.ndarray, "a b"]]:
    height, width = sr.shape[:2]
    if sr.shape != hr.shape:
        raise ImageError(
            f"Cannot compare {width} x {height} pixels with {hr.shape[1]} x {hr.shape[0]}; is the scale right?"
        )
    if crop < 0 or min(height, width) - 2 * crop < smallest:
        raise ImageError(
            f"{width} x {height} pixels leave fewer than {smallest} x {smallest} after cropping {crop} per side; "
            "take larger pictures."
        )
    inside = np.s_[crop : height - crop, crop : width - crop]
    return rgb_to_y(sr[inside]), rgb_to_y(hr[inside])


def _gaussian_valid(maps: Float64[np.ndarray, "maps h w"]) -> Float64[np.ndarray, "maps h-10 w-10"]:
    """Separable Gaussian average, rows then columns."""
    offsets = np.arange(_WINDOW) - _WINDOW // 2
    window = np.exp(-(offsets**2) / (2 * _SIGMA**2))
    window /= window.sum()
    for axis in (1, 2):
        length = maps.shape[axis] - _WINDOW + 1
        taps = ((weight, [slice(None)] * axis + [slice(i, i + length)]) for i, weight in enumerate(window))
        maps = np.sum([weight * maps[tuple(part)] for weight, part in taps], axis=0)
    return maps
