"""Padding to a multiple, and cutting a picture into overlapping tiles and joining them again.

Mirrors repeat the edge sample, as the network's own padding does; what runs on a tile is not decided here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from intaglio._shapes import Shaped
from intaglio.errors import ImageError


def pad_to_multiple(image: Shaped[np.ndarray, "h w *c"], multiple: int) -> Shaped[np.ndarray, "H W *c"]:
    """Grow `image` to the right and to the bottom until both sides are multiples of `multiple`.

    The new samples mirror the old ones with the edge repeated (numpy's "symmetric"), as often as needed when the
    picture is smaller than the padding. The picture itself is returned when nothing is missing.

    Shapes: (h, w, ...) to (H, W, ...), H and W the next multiples.
    Source: the padding of 2DQuant's released evaluation.

    >>> pad_to_multiple(np.array([[1, 2, 3]]), 4)
    array([[1, 2, 3, 3],
           [1, 2, 3, 3],
           [1, 2, 3, 3],
           [1, 2, 3, 3]])
    """
    bottom, right = -image.shape[0] % multiple, -image.shape[1] % multiple
    if not (bottom or right):
        return image
    return np.pad(image, [(0, bottom), (0, right), *[(0, 0)] * (image.ndim - 2)], mode="symmetric")


@dataclass(frozen=True)
class Span:
    """A run of pixels along one axis: [start, stop) is read, [core_start, core_stop) within it is kept."""

    start: int
    stop: int
    core_start: int
    core_stop: int


@dataclass(frozen=True)
class Tile:
    """One tile of a picture; the cores of all tiles cover it exactly once."""

    rows: Span
    columns: Span


def plan_tiles(height: int, width: int, size: int, overlap: int) -> tuple[Tile, ...]:
    """Cover a picture with tiles of `size` x `size` pixels that share at least `overlap` with their neighbours.

    Neighbours part in the middle of what they share, so that each kept sample is at least ``overlap // 2`` pixels
    away from a cut. Only pictures smaller than `size` give smaller tiles. Row by row, left to right.

    Units: pixels. Raises: ImageError unless 0 <= overlap < size (remedy: larger tiles or less overlap).

    >>> [tile.columns for tile in plan_tiles(8, 13, size=8, overlap=2)]
    [Span(start=0, stop=8, core_start=0, core_stop=6), Span(start=5, stop=13, core_start=6, core_stop=13)]
    """
    if not 0 <= overlap < size:
        raise ImageError(f"Tiles of {size} pixels cannot overlap by {overlap}; take larger tiles or less overlap.")
    columns = _spans(width, size, overlap)
    return tuple(Tile(rows, cols) for rows in _spans(height, size, overlap) for cols in columns)


def cut(image: Shaped[np.ndarray, "h w *c"], tile: Tile) -> Shaped[np.ndarray, "th tw *c"]:
    """What `tile` reads of `image`, its overlap included (a view)."""
    return image[tile.rows.start : tile.rows.stop, tile.columns.start : tile.columns.stop]


def merge(
    pieces: Iterable[tuple[Tile, Shaped[np.ndarray, "_ _ *c"]]], height: int, width: int, scale: int = 1
) -> Shaped[np.ndarray, "{scale}*{height} {scale}*{width} *c"]:
    """Join pieces, each `scale` times as large as its tile, into one picture; only the cores are used.

    Shapes: pieces (scale * tile height, scale * tile width, ...); result (scale * height, scale * width, ...).
    Raises: ImageError when there is no piece, or one has another size than its tile asks for.
    """
    result: np.ndarray | None = None
    for tile, piece in pieces:
        rows, columns = tile.rows, tile.columns
        expected = (scale * (rows.stop - rows.start), scale * (columns.stop - columns.start))
        if piece.shape[:2] != expected:
            raise ImageError(f"A tile came back as {piece.shape[:2]}, not {expected}; does its scale differ?")
        if result is None:
            result = np.empty((scale * height, scale * width, *piece.shape[2:]), piece.dtype)
        _core(result, rows, columns, scale, 0, 0)[...] = _core(piece, rows, columns, scale, rows.start, columns.start)
    if result is None:
        raise ImageError("No tile to merge; plan tiles for a picture with pixels.")
    return result


def apply_tiled(
    run: Callable[[np.ndarray], np.ndarray], image: Shaped[np.ndarray, "h w *c"], size: int, overlap: int, scale: int
) -> Shaped[np.ndarray, "{scale}*h {scale}*w *c"]:
    """Run `run`, which enlarges by `scale`, tile by tile: memory stays that of one tile.

    Equal to ``run(image)`` when each output sample depends on input at most ``overlap // 2`` pixels away.
    Raises: ImageError as `plan_tiles` and `merge`.
    """
    height, width = image.shape[:2]
    tiles = plan_tiles(height, width, size, overlap)
    return merge(((tile, run(cut(image, tile))) for tile in tiles), height, width, scale)


def _spans(length: int, size: int, overlap: int) -> tuple[Span, ...]:
    if length <= size:
        return (Span(0, length, 0, length),) if length else ()
    starts = [*range(0, length - size, size - overlap), length - size]
    # Halfway through what two neighbours share: the left one's end and the right one's start.
    seams = [0, *((a + size + b) // 2 for a, b in pairwise(starts)), length]
    return tuple(
        Span(start, start + size, low, high) for start, (low, high) in zip(starts, pairwise(seams), strict=True)
    )


def _core(array: np.ndarray, rows: Span, columns: Span, scale: int, top: int, left: int) -> np.ndarray:
    return array[
        scale * (rows.core_start - top) : scale * (rows.core_stop - top),
        scale * (columns.core_start - left) : scale * (columns.core_stop - left),
    ]
