"""The training pictures as one file: square HR tiles of photographs, and tiles of held-out ones, in bytes.

Cutting crops from tiles and making LR pictures is in `crops.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import zip_longest
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from intaglio._atomic import PathLike, atomic_write
from intaglio.errors import DatasetError
from intaglio.images import imresize, list_images, read_image

HELD_OUT = 8
"""Pictures by name, counted from the last, that only validation sees."""

SIDE_MULTIPLE = 12
"""Sides of tiles are multiples of it, so that tiles have LR pictures at scales 2, 3 and 4."""

Tiles = UInt8[np.ndarray, "n side side 3"]


@dataclass(frozen=True)
class TileSet:
    """Tiles to train on, and one tile of each held-out picture; both (n, side, side, 3), grey levels 0-255."""

    train: Tiles
    held_out: UInt8[np.ndarray, "m side side 3"]

    @cached_property
    def sha256(self) -> str:
        """Over the samples of both parts, in order."""
        digest = hashlib.sha256()
        for part in (self.train, self.held_out):
            digest.update(np.asarray(part.shape, dtype="<i8").tobytes())
            digest.update(np.ascontiguousarray(part).tobytes())
        return digest.hexdigest()

    def save(self, path: PathLike) -> int:
        """Write one uncompressed .npz, whole or not at all; returns its size in bytes. Raises: OutputError."""
        with atomic_write(path) as stream:
            np.savez(stream, train=self.train, held_out=self.held_out)
        return Path(path).stat().st_size

    @classmethod
    def load(cls, path: PathLike) -> TileSet:
        """Read what `save` wrote. Raises: DatasetError for a missing or foreign file (remedy: prepare it again)."""
        try:
            with np.load(path, allow_pickle=False) as file:
                found = cls(file["train"], file["held_out"])
        except (OSError, ValueError, KeyError) as error:
            raise DatasetError(f"{path} holds no training tiles ({error}); make it with --prepare.") from error
        for part in (found.train, found.held_out):
            if part.dtype != np.uint8 or part.ndim != 4 or part.shape[1:] != (found.side, found.side, 3):
                raise DatasetError(f"{path} holds arrays of another form; make it with --prepare.")
        return found

    @property
    def side(self) -> int:
        """Side of a tile in HR pixels."""
        return int(self.train.shape[1])


def prepare(
    folder: Path, *, side: int = 336, shrink: Fraction | int = 1, limit: int | None = None, held_out: int = HELD_OUT
) -> TileSet:
    """Cut the photographs of a folder into tiles; the last `held_out` by name give one centre tile each, to validate.

    Tiles are taken in rounds, one of each picture, so that a `limit` in bytes (of both parts together) leaves all
    pictures represented. `shrink` resizes the photographs first, by our exact bicubic: 1/2 makes sharper pixels and a
    quarter of the bytes.

    Raises: DatasetError if the side is no multiple of 12 or a picture is smaller than a tile; ImageError for a
    damaged picture.
    """
    if side <= 0 or side % SIDE_MULTIPLE:
        raise DatasetError(f"tiles of {side} pixels have no LR picture at every scale; give a multiple of 12.")
    paths = list_images(folder)
    if len(paths) <= held_out:
        raise DatasetError(f"{folder} has {len(paths)} pictures and {held_out} are held out; name a larger folder.")
    split = len(paths) - held_out
    validation = [_centre(_read(path, side, shrink), side) for path in paths[split:]]
    room = None if limit is None else limit // (3 * side * side) - len(validation)
    if room is not None and room < 1:
        raise DatasetError(f"{limit} bytes hold no training tile of {side} pixels; raise it or shrink the tiles.")
    rounds = zip_longest(*(list(_cut(_read(path, side, shrink), side)) for path in paths[:split]))
    tiles = [tile for turn in rounds for tile in turn if tile is not None]
    none = np.empty((0, side, side, 3), np.uint8)
    return TileSet(np.stack(tiles[:room]), np.stack(validation) if validation else none)


def _read(path: Path, side: int, shrink: Fraction | int) -> UInt8[np.ndarray, "h w 3"]:
    picture = read_image(path, expand_gray=True)
    picture = picture if shrink == 1 else imresize(picture, shrink)
    if min(picture.shape[:2]) < side:
        height, width = picture.shape[:2]
        raise DatasetError(f"{path.name} has {width} x {height} pixels, less than a tile of {side}; take smaller ones.")
    return picture


def _cut(picture: UInt8[np.ndarray, "h w 3"], side: int) -> Iterator[UInt8[np.ndarray, "side side 3"]]:
    """Tiles without overlap, spread evenly from edge to edge."""
    tops, lefts = (np.linspace(0, length - side, length // side).astype(int) for length in picture.shape[:2])
    for top in tops:
        for left in lefts:
            yield picture[top : top + side, left : left + side]


def _centre(picture: UInt8[np.ndarray, "h w 3"], side: int) -> UInt8[np.ndarray, "side side 3"]:
    top, left = ((length - side) // 2 for length in picture.shape[:2])
    return picture[top : top + side, left : left + side]
