"""A test chart drawn from nothing: text, gratings, a zone plate, gradients, colour patches, fine lines.

For demonstrations and for tests that need a picture with known difficulties; calibration uses `synthetic.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from intaglio._shapes import Float, UInt8
from intaglio.errors import ImageError

_LINES = ("Engraved in", "steps of light", "0123456789", "sharp & small", "a quick proof")
_SMALLEST_LETTERS = 7.0  # pixels
_COLUMNS = 3
_Panel = Float[np.ndarray, "h w 3"]


def test_scene(height: int, width: int, seed: int) -> UInt8[np.ndarray, "{height} {width} 3"]:
    """A chart of panels in three columns; `seed` decides their order, their colours and their phases.

    Same seed, same size, same Pillow: same picture (the letters come from Pillow's built-in font).

    Shapes: (height, width, 3). Units: grey levels 0-255. Raises: ImageError unless both sides are at least 1.
    """
    if height < 1 or width < 1:
        raise ImageError(f"Cannot draw {width} x {height} pixels; ask for at least 1 x 1.")
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(_PANELS))
    row_edges = np.linspace(0, height, len(_PANELS) // _COLUMNS + 1).round().astype(int)
    column_edges = np.linspace(0, width, _COLUMNS + 1).round().astype(int)
    chart = np.empty((height, width, 3))
    for place, panel in enumerate(order):
        row, column = divmod(place, _COLUMNS)
        top, bottom = row_edges[row : row + 2]
        left, right = column_edges[column : column + 2]
        if bottom > top and right > left:
            chart[top:bottom, left:right] = _PANELS[panel](rng, int(bottom - top), int(right - left))
    return np.rint(np.clip(chart, 0, 255)).astype(np.uint8)


def _text(rng: np.random.Generator, height: int, width: int) -> _Panel:
    """Dark letters on light or the reverse, from large to just legible."""
    paper, ink = _two_colours(rng)
    picture = Image.new("RGB", (width, height), paper)
    draw = ImageDraw.Draw(picture)
    top, size = 0.04 * height, max(_SMALLEST_LETTERS, 0.15 * min(height, width))
    for line in cycle(_LINES):
        if top > height:
            break
        draw.text((0.05 * width, top), line, fill=ink, font=ImageFont.load_default(size))
        top, size = top + 1.15 * size, max(_SMALLEST_LETTERS, 0.8 * size)
    return np.asarray(picture, dtype=np.float64)


def _gratings(rng: np.random.Generator, height: int, width: int) -> _Panel:
    """Four strips of sinusoidal stripes, 16 to 2.5 pixels long, turned by a random angle."""
    y, x = _grid(height, width)
    angle = rng.uniform(0, np.pi)
    along = np.cos(angle) * x + np.sin(angle) * y
    wavelength = np.array([16.0, 8.0, 4.0, 2.5])[(4 * y / height).astype(int)]
    return _between(rng, 0.5 + 0.5 * np.sin(2 * np.pi * along / wavelength))


def _zone_plate(rng: np.random.Generator, height: int, width: int) -> _Panel:
    """Rings whose frequency grows from 0 in the middle to half a cycle per pixel at the farther side."""
    y, x = _grid(height, width)
    squared = (y - (height - 1) / 2) ** 2 + (x - (width - 1) / 2) ** 2
    return _between(rng, 0.5 + 0.5 * np.cos(np.pi * squared / max(height, width)))


def _gradients(rng: np.random.Generator, height: int, width: int) -> _Panel:
    """Smooth ramps between four corner colours: where coarse levels show as bands."""
    y, x = _grid(height, width)
    v, u = (y / max(1, height - 1))[..., None], (x / max(1, width - 1))[..., None]
    a, b, c, d = rng.uniform(0, 255, (4, 3))
    panel: np.ndarray = (1 - v) * ((1 - u) * a + u * b) + v * ((1 - u) * c + u * d)
    return panel


def _patches(rng: np.random.Generator, height: int, width: int) -> _Panel:
    """Six columns of colours over one row of greys from black to white."""
    y, x = _grid(height, width)
    row, column = (4 * y / height).astype(int), (6 * x / width).astype(int)
    colours = rng.uniform(0, 255, (4, 6, 3))
    colours[3] = np.linspace(0, 255, 6)[:, None]
    panel: np.ndarray = colours[row, column]
    return panel


def _lines(rng: np.random.Generator, height: int, width: int) -> _Panel:
    """A fan of thin lines from one corner: every slope, and spacings down to nothing."""
    y, x = _grid(height, width)
    direction = np.arctan2(y + 0.5, x + 0.5) / (np.pi / 2)
    distance = np.hypot(y + 0.5, x + 0.5)
    # Distance to the nearest of 24 rays in pixels, as coverage by a line one and a half pixels wide.
    across = np.abs((24 * direction + 0.5) % 1 - 0.5) / 24 * (np.pi / 2) * distance
    return _between(rng, np.clip(1.25 - across, 0, 1))


_PANELS: tuple[Callable[[np.random.Generator, int, int], _Panel], ...] = (
    *(_text, _gratings, _zone_plate),
    *(_gradients, _patches, _lines),
)


def _grid(height: int, width: int) -> tuple[Float[np.ndarray, "h w"], Float[np.ndarray, "h w"]]:
    y, x = np.mgrid[:height, :width].astype(np.float64)
    return y, x


def _two_colours(rng: np.random.Generator) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """A light and a dark colour in random order, far enough apart to read by."""
    light, dark = rng.integers(190, 256, 3).tolist(), rng.integers(0, 80, 3).tolist()
    first, second = (light, dark) if rng.random() < 0.5 else (dark, light)
    return tuple(first), tuple(second)


def _between(rng: np.random.Generator, blend: Float[np.ndarray, "h w"]) -> _Panel:
    one, other = np.array(_two_colours(rng), dtype=np.float64)
    panel: np.ndarray = one + (other - one) * blend[..., None]
    return panel
