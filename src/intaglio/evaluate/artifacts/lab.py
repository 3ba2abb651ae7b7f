"""Colours as people see them: sRGB to CIELAB, and the CIEDE2000 difference of two colours.

Arithmetic only; what is compared with what is `colour.py`'s matter.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, UInt8

_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
_WHITE = _TO_XYZ.sum(axis=1)
"""D65 as the matrix itself has it, so that gray is exactly neutral."""

_LINEAR_BELOW = 0.04045
_CUBE_ROOT_ABOVE = (6 / 29) ** 3


def linear_light(image: UInt8[np.ndarray, "*s 3"]) -> Float64[np.ndarray, "*s 3"]:
    """sRGB samples as light intensity: the space in which colours may be averaged.

    Units: grey levels 0-255 to [0, 1]. Source: IEC 61966-2-1.

    >>> linear_light(np.array([[0, 255, 188]], np.uint8)).round(3).tolist()
    [[0.0, 1.0, 0.503]]
    """
    return np.asarray(_LINEAR_OF_LEVEL[image])


def _linear(sample: Float64[np.ndarray, "*s"]) -> Float64[np.ndarray, "*s"]:
    return np.where(sample <= _LINEAR_BELOW, sample / 12.92, ((sample + 0.055) / 1.055) ** 2.4)


_LINEAR_OF_LEVEL = _linear(np.arange(256) / 255)


def srgb_to_lab(image: UInt8[np.ndarray, "*s 3"]) -> Float64[np.ndarray, "*s 3"]:
    """8-bit sRGB to CIELAB under D65.

    Shapes: (..., 3) to (..., 3). Units: L* 0-100, a* and b* about -128 to 127.
    Source: IEC 61966-2-1 and CIE 15:2004, section 8.2.1.

    >>> srgb_to_lab(np.array([[255, 255, 255], [255, 0, 0]], np.uint8)).round(2).tolist()
    [[100.0, 0.0, 0.0], [53.23, 80.11, 67.22]]
    """
    return linear_to_lab(linear_light(image))


def linear_to_lab(light: Float64[np.ndarray, "*s 3"]) -> Float64[np.ndarray, "*s 3"]:
    """Linear RGB in [0, 1] to CIELAB; shapes and units as `srgb_to_lab`."""
    xyz = light @ _TO_XYZ.T / _WHITE
    f = np.where(xyz > _CUBE_ROOT_ABOVE, np.cbrt(xyz), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    x, y, z = np.moveaxis(f, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def delta_e_2000(one: Float64[np.ndarray, "*s 3"], other: Float64[np.ndarray, "*s 3"]) -> Float64[np.ndarray, "*s"]:
    """CIEDE2000 colour difference of two CIELAB arrays; 1 is about what an observer just sees side by side.

    Shapes: (..., 3) twice to (...). Source: Sharma, Wu and Dalal, Color Research and Application 30(1), 2005.

    >>> delta_e_2000(np.array([50.0, 2.6772, -79.7751]), np.array([50.0, 0.0, -82.7485])).round(4).item()
    2.0425
    """
    (l1, a1, b1), (l2, a2, b2) = np.moveaxis(one, -1, 0), np.moveaxis(other, -1, 0)
    stretch = 1.5 - 0.5 * _saturation((np.hypot(a1, b1) + np.hypot(a2, b2)) / 2)
    chroma1, hue1 = _polar(a1 * stretch, b1)
    chroma2, hue2 = _polar(a2 * stretch, b2)
    neutral = chroma1 * chroma2 == 0
    turn = np.where(neutral, 0.0, (hue2 - hue1 + 180) % 360 - 180)
    hue_step = 2 * np.sqrt(chroma1 * chroma2) * np.sin(np.radians(turn / 2))
    mean_hue = np.where(neutral, hue1 + hue2, hue1 + turn / 2) % 360
    mean_chroma, light_offset = (chroma1 + chroma2) / 2, ((l1 + l2) / 2 - 50) ** 2

    light = (l2 - l1) / (1 + 0.015 * light_offset / np.sqrt(20 + light_offset))
    chroma = (chroma2 - chroma1) / (1 + 0.045 * mean_chroma)
    hue = hue_step / (1 + 0.015 * mean_chroma * _hue_weight(mean_hue))
    rotation = -2 * _saturation(mean_chroma) * np.sin(np.radians(60 * np.exp(-(((mean_hue - 275) / 25) ** 2))))
    return np.asarray(np.sqrt(np.maximum(light**2 + chroma**2 + hue**2 + rotation * chroma * hue, 0.0)))


_Values = np.ndarray | np.float64
"""An array, or what numpy makes of one without axes."""


def _polar(a: _Values, b: _Values) -> tuple[_Values, _Values]:
    """Chroma, and hue in degrees from 0 to 360 (0 for neutral colours)."""
    return np.hypot(a, b), np.degrees(np.arctan2(b, a)) % 360


def _saturation(chroma: _Values) -> np.ndarray:
    return np.asarray(np.sqrt(chroma**7 / (chroma**7 + 25.0**7)))


def _hue_weight(hue: _Values) -> np.ndarray:
    """T of the paper's equation (15)."""
    terms = ((-0.17, 1, -30), (0.24, 2, 0), (0.32, 3, 6), (-0.20, 4, -63))
    return np.asarray(1 + sum(weight * np.cos(np.radians(times * hue + phase)) for weight, times, phase in terms))
