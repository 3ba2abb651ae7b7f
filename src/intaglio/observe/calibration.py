"""The calibration set: pictures with a content hash, and seeded patches of them.

Pictures are LR pictures as the network will see them; no ground truth is ever used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from intaglio.errors import CalibrationError
from intaglio.images import calibration_pictures, list_images, read_image

Picture = UInt8[np.ndarray, "_ _ 3"]
"""Pictures of one set differ in size, so the sides have no names."""


@dataclass(frozen=True)
class CalibrationSet:
    """Named LR pictures, uint8 RGB.

    Raises: CalibrationError if there is none (remedy: another folder, or synthetic pictures).
    """

    name: str
    pictures: tuple[Picture, ...]

    def __post_init__(self) -> None:
        if not self.pictures:
            raise CalibrationError(
                f"calibration set {self.name!r} holds no picture; name a folder with some, or use synthetic ones."
            )

    @classmethod
    def from_folder(cls, folder: Path, *, hold_out: int = 0) -> CalibrationSet:
        """All pictures of a folder by name, the last `hold_out` left aside for choosing hyper-parameters.

        Raises: DatasetError for an empty folder; ImageError for a damaged picture; CalibrationError if nothing is left.
        """
        paths = list_images(folder)
        kept = paths[: len(paths) - hold_out]
        return cls(folder.name, tuple(read_image(path) for path in kept))

    @classmethod
    def synthetic(cls, count: int = 32, size: int = 128, seed: int = 0) -> CalibrationSet:
        """Dead-leaves pictures, for a model that must be quantized without any data."""
        return cls(f"synthetic-{count}x{size}-seed{seed}", tuple(calibration_pictures(count, size, seed)))

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 over sizes and samples in order: equal if and only if the pictures are."""
        digest = hashlib.sha256()
        for picture in self.pictures:
            digest.update(np.asarray(picture.shape, dtype="<i8").tobytes())
            digest.update(np.ascontiguousarray(picture).tobytes())
        return digest.hexdigest()

    def patches(self, count: int, size: int, seed: int) -> Float[Tensor, "count 3 size size"]:
        """Random crops with flips and quarter turns (2DQuant, section 4.1), in [0, 1], determined by the seed.

        Raises: CalibrationError if no picture is as large as a patch (remedy: smaller patches or larger pictures).
        """
        usable = [picture for picture in self.pictures if min(picture.shape[:2]) >= size]
        if not usable:
            largest = max(min(picture.shape[:2]) for picture in self.pictures)
            raise CalibrationError(
                f"patches of {size} pixels were asked for, but the largest calibration picture has a short side of"
                f" {largest}; choose smaller patches or larger pictures."
            )
        rng = np.random.default_rng(seed)
        crops = [_random_crop(usable, size, rng) for _ in range(count)]
        return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float().div_(255.0).contiguous()


def _random_crop(pictures: Sequence[Picture], size: int, rng: np.random.Generator) -> UInt8[np.ndarray, "size size 3"]:
    picture = pictures[int(rng.integers(len(pictures)))]
    top, left = (int(rng.integers(side - size + 1)) for side in picture.shape[:2])
    crop = np.rot90(picture[top : top + size, left : left + size], int(rng.integers(4)))
    return np.ascontiguousarray(crop[:, ::-1] if rng.integers(2) else crop)
