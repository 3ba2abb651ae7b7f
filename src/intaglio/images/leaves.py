"""One leaf of a dead-leaves picture: its outline, its texture, its colour.

Pure functions of a generator and coordinates; how many leaves there are and where they fall is `synthetic.py`'s matter.
"""

from __future__ import annotations

import numpy as np

from intaglio._shapes import Float

# Standard deviations (grey levels) along the principal axes of RGB inside a photograph, means over 26 of the
# calibration photographs: 83 light-dark, 31 red-blue, 13 green-magenta; rounded, and the axes made orthonormal.
_COLOUR_AXES = np.array([[1.0, 1.0, 1.0], [1.0, 0.0, -1.0], [1.0, -2.0, 1.0]]) / np.sqrt([[3.0], [2.0], [6.0]])
_COLOUR_DEVIATIONS = np.array([83.0, 31.0, 13.0])


def random_colours(rng: np.random.Generator, count: int) -> Float[np.ndarray, "{count} 3"]:
    """Deviations from a picture's mean colour: mostly light-dark, some red-blue, little green-magenta.

    Units: grey levels, not clamped.
    """
    colours: np.ndarray = rng.standard_normal((count, 3)) * _COLOUR_DEVIATIONS @ _COLOUR_AXES
    return colours


def power_law_radii(rng: np.random.Generator, count: int, smallest: float, largest: float) -> Float[np.ndarray, " n"]:
    """Radii with density proportional to r^-3 on [smallest, largest]: the law that makes pictures scale invariant.

    Source: Lee, Mumford and Huang, "Occlusion models for natural images", IJCV 41, 2001, section 3.
    """
    low, high = smallest**-2, largest**-2
    return (low - rng.random(count) * (low - high)) ** -0.5


def fractal_field(rng: np.random.Generator, height: int, width: int, exponent: float) -> Float[np.ndarray, "h w"]:
    """Periodic Gaussian noise of amplitude spectrum f^-exponent, mean 0, standard deviation 1 (0 for one pixel)."""
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :])
    frequency[0, 0] = 1.0
    spectrum = np.fft.rfft2(rng.standard_normal((height, width))) * frequency**-exponent
    spectrum[0, 0] = 0.0  # no constant part
    field = np.fft.irfft2(spectrum, (height, width))
    return field / (field.std() or 1.0)


def ellipse(
    rng: np.random.Generator, u: Float[np.ndarray, "h w"], v: Float[np.ndarray, "h w"], radius: float
) -> Float[np.ndarray, "h w"]:
    """Distance to the outline in pixels, positive inside (first order near the outline); half axes 1 : 0.3 to 1."""
    aspect = 0.3 ** rng.random()
    inside: np.ndarray = (radius - np.hypot(u, v / aspect)) * aspect
    return inside


def bar(
    rng: np.random.Generator, u: Float[np.ndarray, "h w"], v: Float[np.ndarray, "h w"], radius: float
) -> Float[np.ndarray, "h w"]:
    """As `ellipse`, for a rectangle `2 * radius` long and 0.05 to 0.8 times as wide: posts, twigs, tiles."""
    width = radius * 0.8 * 0.06 ** rng.random()
    inside: np.ndarray = np.minimum(radius - np.abs(u), width - np.abs(v))
    return inside


def polygon(
    rng: np.random.Generator, u: Float[np.ndarray, "h w"], v: Float[np.ndarray, "h w"], radius: float
) -> Float[np.ndarray, "h w"]:
    """As `ellipse`, for a convex polygon of 3 to 7 sides whose corners are cut off at `radius`."""
    sides = int(rng.integers(3, 8))
    angles = 2 * np.pi / sides * (np.arange(sides) + 0.4 * rng.random(sides))
    reach = radius * rng.uniform(0.5, 0.9, sides)
    inside: np.ndarray = radius - np.hypot(u, v)
    for angle, distance in zip(angles, reach, strict=True):
        inside = np.minimum(inside, distance - np.cos(angle) * u - np.sin(angle) * v)
    return inside


def flat(rng: np.random.Generator, u: Float[np.ndarray, "h w"], radius: float) -> Float[np.ndarray, "h w"]:
    """No texture at all."""
    return np.zeros_like(u)


def gradient(rng: np.random.Generator, u: Float[np.ndarray, "h w"], radius: float) -> Float[np.ndarray, "h w"]:
    """A ramp from one side to the other, as of a lit surface; up to 40 grey levels either way."""
    return rng.uniform(-40, 40) / radius * u


def grating(rng: np.random.Generator, u: Float[np.ndarray, "h w"], radius: float) -> Float[np.ndarray, "h w"]:
    """Stripes, sinusoidal to nearly square, 3 pixels to one radius long, as of fabric and fences."""
    wavelength = 3.0 * max(1.0, radius / 3.0) ** rng.random()
    wave = np.sin(2 * np.pi * (u / wavelength + rng.random()))
    sharpness = 5 * rng.random()
    stripes: np.ndarray = rng.uniform(3, 30) * (np.tanh(sharpness * wave) if sharpness > 1 else wave)
    return stripes


OUTLINES = (ellipse, bar, polygon)
TEXTURES = (flat, gradient, grating)
