"""Pictures inside a page: cut to what fits, encoded as data URIs, and the map of differences.

Lossless WebP throughout: a page about artifacts must not add its own.
"""

from __future__ import annotations

import base64
import io

import numpy as np
from jaxtyping import Shaped, UInt8
from matplotlib import colormaps
from matplotlib.colors import to_hex
from PIL import Image

from intaglio.evaluate.artifacts import WorstTile
from intaglio.evaluate.metrics import rgb_to_y

LARGEST_SIDE = 640
"""Pixels; larger pictures are cut to this around the worst tile, so that a page stays a few megabytes."""

DIFFERENCE_TOP = 24.0
"""Grey levels of luma that the brightest colour of the difference map stands for."""

_MAP = colormaps["cividis"]  # equal in order of lightness with and without colour vision


def data_uri(image: UInt8[np.ndarray, "h w 3"]) -> str:
    """A picture as a lossless WebP ``data:`` URI.

    >>> data_uri(np.zeros((2, 2, 3), np.uint8))[:23]
    'data:image/webp;base64,'
    """
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(buffer, "WEBP", lossless=True, method=4)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def difference_map(
    quantized: UInt8[np.ndarray, "h w 3"], reference: UInt8[np.ndarray, "h w 3"]
) -> UInt8[np.ndarray, "h w 3"]:
    """The absolute luma difference in the colours of cividis: dark is equal, bright is `DIFFERENCE_TOP` or more."""
    difference = np.abs(rgb_to_y(quantized) - rgb_to_y(reference)) / DIFFERENCE_TOP
    colours: UInt8[np.ndarray, "h w 4"] = _MAP(np.minimum(difference, 1.0), bytes=True)
    return colours[..., :3]


def legend_colours(count: int = 9) -> tuple[str, ...]:
    """Hexadecimal colours of the difference map from equal to `DIFFERENCE_TOP`, for a legend."""
    return tuple(to_hex(_MAP(index / (count - 1))) for index in range(count))


def window_around(height: int, width: int, tile: WorstTile | None) -> tuple[slice, slice]:
    """The part of a picture to show: all of it, or `LARGEST_SIDE` pixels with the worst tile in the middle.

    >>> window_around(500, 2000, WorstTile(0, 1900, 64, 64, 30.0, None))
    (slice(0, 500, None), slice(1360, 2000, None))
    """
    centre = (tile.top + tile.height // 2, tile.left + tile.width // 2) if tile else (height // 2, width // 2)
    return _part(height, centre[0]), _part(width, centre[1])


def _part(length: int, centre: int) -> slice:
    side = min(length, LARGEST_SIDE)
    start = min(max(0, centre - side // 2), length - side)
    return slice(start, start + side)


def cut_tile(image: Shaped[np.ndarray, "h w *c"], tile: WorstTile) -> Shaped[np.ndarray, "th tw *c"]:
    """The pixels of a tile."""
    return image[tile.top : tile.top + tile.height, tile.left : tile.left + tile.width]
