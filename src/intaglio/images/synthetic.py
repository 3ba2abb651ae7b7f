"""Dead-leaves pictures: calibration without photographs.

Occluding shapes of power-law sizes have the edges, the spectrum and the colours of natural pictures, and no licence.
"""

from __future__ import annotations

import numpy as np

from intaglio._shapes import Float, UInt8
from intaglio.errors import CalibrationError
from intaglio.images.bicubic import downscale
from intaglio.images.leaves import OUTLINES, TEXTURES, fractal_field, power_law_radii, random_colours

_SMALLEST_RADIUS = (1.5, 8.0)  # pixels; drawn per picture: some scenes are busy, some are calm
_LARGEST_RADIUS_SHARE = 0.6  # of the shorter side
_CONTRAST_EXPONENT = 0.35  # small things differ less from their surroundings than large ones
_COVERAGE = 3.0  # leaf area over picture area: about exp(-3) of the background stays visible
_ROUGHNESS = 30.0  # grey levels, standard deviation of the roughest leaves
_OVERSAMPLING = (2, 3, 4)


def dead_leaves(height: int, width: int, seed: int) -> UInt8[np.ndarray, "{height} {width} 3"]:
    """A picture of occluding ellipses, bars and polygons, textured, softly edged, under uneven light.

    Same seed, same size: same picture. Medians over 24 pictures of 256 x 256 pixels, in brackets those of the
    photographs and of the LR pictures that the project calibrates on (26 and 34 of them): slope of the power spectrum
    between 1/64 and 1/4 cycles per pixel -2.4 (-2.3, -2.5), mean difference of horizontal neighbours on luma 6.9
    grey levels (4.0, 8.8), correlation of red with green 0.89 (0.85, 0.88), of red with blue 0.75 (0.65, 0.69).

    Shapes: (height, width, 3). Units: grey levels 0-255.
    Raises: CalibrationError unless both sides are at least 1.
    Source: Lee, Mumford and Huang, IJCV 41, 2001; textures inside the leaves are ours.
    """
    if height < 1 or width < 1:
        raise CalibrationError(f"Cannot draw {width} x {height} pixels; ask for at least 1 x 1.")
    return _draw(np.random.default_rng(seed), height, width, magnification=1)


def calibration_pictures(count: int, size: int, seed: int) -> list[UInt8[np.ndarray, "{size} {size} 3"]]:
    """`count` square pictures that look like LR pictures: drawn 2 to 4 times as large and shrunk by bicubic.

    Picture i depends on `seed` and i alone, so that a longer list begins with the shorter one.

    Shapes: each (size, size, 3). Units: grey levels 0-255.
    Raises: CalibrationError unless count and size are at least 1.

    >>> [picture.shape for picture in calibration_pictures(count=2, size=8, seed=0)]
    [(8, 8, 3), (8, 8, 3)]
    """
    if count < 1 or size < 1:
        raise CalibrationError(f"Cannot draw {count} pictures of {size} pixels; ask for at least 1 of each.")
    pictures = []
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        factor = int(rng.choice(_OVERSAMPLING))
        pictures.append(downscale(_draw(rng, factor * size, factor * size, magnification=factor), factor))
    return pictures


def _draw(
    rng: np.random.Generator, height: int, width: int, magnification: int
) -> UInt8[np.ndarray, "{height} {width} 3"]:
    """One scene, its finest detail `magnification` times as large as in `dead_leaves`."""
    region = _regional_colours(rng, height, width)
    roughness = fractal_field(rng, height, width, exponent=rng.uniform(1.0, 1.6))
    smallest = magnification * float(np.exp(rng.uniform(*np.log(_SMALLEST_RADIUS))))
    largest = max(_LARGEST_RADIUS_SHARE * min(height, width), 2 * smallest)
    # The mean of r^2 under the r^-3 law, times pi / 2 for a typical outline, is the mean area of a leaf.
    mean_square = 2 * np.log(largest / smallest) / (smallest**-2 - largest**-2)
    count = int(np.ceil(_COVERAGE * height * width / (np.pi / 2 * mean_square)))

    radii = power_law_radii(rng, count, smallest, largest)
    centres = rng.random((count, 2)) * (height, width)
    contrast = (radii / largest) ** _CONTRAST_EXPONENT
    rows, columns = centres.astype(int).T
    colours = region[rows, columns] + contrast[:, None] * random_colours(rng, count)
    canvas = region.copy()
    for radius, centre, colour in zip(radii, centres, colours, strict=True):
        _paint(rng, canvas, roughness, float(radius), centre, colour)
    light = 1 + 0.15 * fractal_field(rng, height, width, exponent=2.0)[..., None]
    noise = rng.uniform(0.0, 2.0) * rng.standard_normal(canvas.shape)
    return np.rint(np.clip(canvas * light + noise, 0, 255)).astype(np.uint8)


def _regional_colours(rng: np.random.Generator, height: int, width: int) -> Float[np.ndarray, "{height} {width} 3"]:
    """The colour that a scene tends to in each place: a smooth blend of two, as of sky and ground."""
    one, other = rng.normal(105.0, 30.0) + 0.9 * random_colours(rng, 2)
    blend = 0.5 + 0.5 * fractal_field(rng, height, width, exponent=1.8)[..., None]
    colours: np.ndarray = one + (other - one) * blend
    return colours


def _paint(
    rng: np.random.Generator,
    canvas: Float[np.ndarray, "h w 3"],
    roughness: Float[np.ndarray, "h w"],
    radius: float,
    centre: Float[np.ndarray, " 2"],
    colour: Float[np.ndarray, " 3"],
) -> None:
    """Lay one leaf over `canvas`, in place, touching only the box around it."""
    height, width = roughness.shape
    softness = 0.8 * 3.0 ** (3 * rng.random() - 1.5) if rng.random() < 0.3 else 1.0
    margin = radius + softness
    top, left = (max(0, int(c - margin)) for c in centre)
    bottom, right = (min(side, int(c + margin) + 2) for c, side in zip(centre, (height, width), strict=True))
    y = np.arange(top, bottom)[:, None] + 0.5 - centre[0]
    x = np.arange(left, right)[None, :] + 0.5 - centre[1]
    angle = rng.uniform(0, 2 * np.pi)
    u, v = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x

    outline, texture = OUTLINES[rng.integers(len(OUTLINES))], TEXTURES[rng.integers(len(TEXTURES))]
    alpha = np.clip(outline(rng, u, v, radius) / softness + 0.5, 0.0, 1.0)[..., None]
    turned = np.cos(rng.uniform(0, 2 * np.pi)) * u + np.sin(rng.uniform(0, 2 * np.pi)) * v
    rough = _ROUGHNESS * rng.random() ** 2 * roughness[top:bottom, left:right]
    box = canvas[top:bottom, left:right]
    box += alpha * (colour + (texture(rng, turned, radius) + rough)[..., None] - box)
