"""Test sets: pairs of LR and HR pictures found by the folder layouts that the field uses.

Reads files and checks sizes; nothing is downloaded, and metrics are elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from intaglio._atomic import PathLike
from intaglio.errors import DatasetError
from intaglio.images import downscale, list_images, mod_crop, read_image

KNOWN_DATASETS = ("Set5", "Set14", "B100", "Urban100", "Manga109")
"""The benchmarks of every table, in the order of the tables."""

_ALIASES = {"BSD100": "B100"}


@dataclass(frozen=True)
class Layout:
    """Where one convention keeps its pictures, below the root of the test sets."""

    hr: str
    lr: str | None
    lr_stem: str = "{stem}"


LAYOUTS = (
    Layout(hr="{name}/HR", lr="{name}/LR_bicubic/X{scale}", lr_stem="{stem}x{scale}"),
    Layout(hr="{name}/HR", lr="{name}/LR_bicubic/X{scale}", lr_stem="{stem}_LRBI_x{scale}"),
    Layout(hr="{name}/GTmod12", lr="{name}/LRbicx{scale}"),
    Layout(hr="{name}_HR", lr="{name}_LR_bicubic/X{scale}", lr_stem="{stem}x{scale}"),
    Layout(hr="{name}/HR", lr=None),
    Layout(hr="{name}/GTmod12", lr=None),
    Layout(hr="{name}_HR", lr=None),
    Layout(hr="{name}", lr=None),
)
"""Tried in this order: pairs as distributed (EDSR, Manga109, BasicSR, DIV2K), then HR alone, then a plain folder."""


@dataclass(frozen=True)
class Pair:
    """One picture of a test set. Shapes: `lr` (h, w, 3), `hr` (scale * h, scale * w, 3). Units: levels 0-255."""

    name: str
    lr: UInt8[np.ndarray, "h w 3"]
    hr: UInt8[np.ndarray, "H W 3"]


@dataclass(frozen=True)
class Dataset:
    """A test set at one scale; pictures are read when they are asked for, and gray ones are repeated to RGB.

    `files` holds (HR path, LR path or None); without an LR file the LR picture is our exact bicubic of the HR one.
    """

    name: str
    scale: int
    files: tuple[tuple[Path, Path | None], ...]

    def __len__(self) -> int:
        return len(self.files)

    def __iter__(self) -> Iterator[Pair]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> Pair:
        """Read one pair; the HR picture is cropped to `scale` times the LR size.

        Raises: DatasetError when the two sizes do not fit the scale; ImageError when a file cannot be read.
        """
        hr_path, lr_path = self.files[index]
        hr = mod_crop(read_image(hr_path, expand_gray=True), self.scale)
        if lr_path is None:
            return Pair(hr_path.stem, downscale(hr, self.scale), hr)
        lr = read_image(lr_path, expand_gray=True)
        if hr.shape[:2] != (lr.shape[0] * self.scale, lr.shape[1] * self.scale):
            raise _size_mismatch(hr_path, hr, lr_path, lr, self.scale)
        return Pair(hr_path.stem, lr, hr)


def canonical_name(name: str) -> str:
    """The usual spelling of a benchmark's name; other names are returned as they are.

    >>> canonical_name("bsd100"), canonical_name("set5"), canonical_name("holiday")
    ('B100', 'Set5', 'holiday')
    """
    spellings = {known.lower(): known for known in KNOWN_DATASETS}
    spellings |= {alias.lower(): known for alias, known in _ALIASES.items()}
    return spellings.get(name.lower(), name)


def load_dataset(root: PathLike, name: str, scale: int) -> Dataset:
    """Find the test set `name` below `root` by the first of `LAYOUTS` that fits; no picture is read yet.

    Any folder of HR pictures will do; the names in `KNOWN_DATASETS` are also found under their other spellings.

    Raises: DatasetError when no layout fits, the folder is empty, LR pictures are missing, or scale < 1
    (each with its remedy).
    """
    if scale < 1:
        raise DatasetError(f"There is no scale {scale}; pass 2, 3 or 4.")
    canonical = canonical_name(name)
    spellings = dict.fromkeys((name, canonical, *(alias for alias, known in _ALIASES.items() if known == canonical)))
    for layout in LAYOUTS:
        for spelling in spellings:
            files = _find(Path(root), layout, spelling, scale)
            if files:
                return Dataset(canonical, scale, files)
    raise DatasetError(
        f"No test set {name} below {root}; expected {name}/HR/*.png (with {name}/LR_bicubic/X{scale}, or without), "
        f"{name}/GTmod12, or a folder of HR pictures named {name}."
    )


def _find(root: Path, layout: Layout, name: str, scale: int) -> tuple[tuple[Path, Path | None], ...] | None:
    """The files of `name` if it is laid out so, else None."""
    hr_folder = root / layout.hr.format(name=name)
    if not hr_folder.is_dir():
        return None
    if layout.lr is None:
        return tuple((path, None) for path in list_images(hr_folder))
    lr_folder = root / layout.lr.format(name=name, scale=scale)
    if not lr_folder.is_dir():
        return None
    lr_of_stem = {path.stem: path for path in list_images(lr_folder)}
    wanted = {path: layout.lr_stem.format(stem=path.stem, scale=scale) for path in list_images(hr_folder)}
    missing = [stem for stem in wanted.values() if stem not in lr_of_stem]
    if len(missing) == len(wanted):
        return None
    if missing:
        raise DatasetError(f"{lr_folder} lacks {len(missing)} of {len(wanted)} pictures, first {missing[0]}; add them.")
    return tuple((path, lr_of_stem[stem]) for path, stem in wanted.items())


def _size_mismatch(hr_path: Path, hr: np.ndarray, lr_path: Path, lr: np.ndarray, scale: int) -> DatasetError:
    found = round(hr.shape[0] / lr.shape[0])
    return DatasetError(
        f"{lr_path} has {lr.shape[1]} x {lr.shape[0]} pixels and {hr_path} {hr.shape[1]} x {hr.shape[0]}, which is not "
        f"x{scale}; pass scale {found} if that was meant, or delete the LR folder to have it made."
    )
