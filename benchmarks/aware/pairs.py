"""Pairs of LR and HR pictures, split by name into those that are learned from and those that are held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from intaglio.errors import DatasetError
from intaglio.evaluate import psnr_y
from intaglio.evaluate.torch_upscaler import TorchUpscaler
from intaglio.images import downscale, list_images, mod_crop, read_image
from intaglio.observe.calibration import Picture


@dataclass(frozen=True)
class Pairs:
    """Pictures by name; HR ones are `scale` times as large as LR ones, which our exact bicubic made. Units: 0-255."""

    scale: int
    names: tuple[str, ...]
    lr: tuple[Picture, ...]
    hr: tuple[Picture, ...]


def read_pairs(folder: Path, scale: int, held_out: int) -> tuple[Pairs, Pairs]:
    """The pictures of a folder and, apart from them, the last `held_out` by name.

    Raises: DatasetError if either part would be empty (remedy: a larger folder); ImageError for a damaged picture.
    """
    paths = list_images(folder)
    if not 0 < held_out < len(paths):
        raise DatasetError(f"{folder} has {len(paths)} pictures and {held_out} are held out; name a larger folder.")
    split = len(paths) - held_out
    return _read(paths[:split], scale), _read(paths[split:], scale)


def _read(paths: Sequence[Path], scale: int) -> Pairs:
    hr = tuple(mod_crop(read_image(path, expand_gray=True), scale) for path in paths)
    return Pairs(scale, tuple(path.stem for path in paths), tuple(downscale(picture, scale) for picture in hr), hr)


def middle(pairs: Pairs, size: int) -> Pairs:
    """The middle `size` LR pixels of each picture, made LR anew so that borders are those of a picture.

    Raises: DatasetError if a picture is smaller (remedy: a smaller crop).
    """
    side = size * pairs.scale
    if any(min(picture.shape[:2]) < side for picture in pairs.hr):
        raise DatasetError(f"a held-out picture has fewer than {side} HR pixels on a side; choose a smaller --crop.")
    starts = [[(length - side) // 2 // pairs.scale * pairs.scale for length in one.shape[:2]] for one in pairs.hr]
    hr = tuple(one[y : y + side, x : x + side] for one, (y, x) in zip(pairs.hr, starts, strict=True))
    return replace(pairs, hr=hr, lr=tuple(downscale(one, pairs.scale) for one in hr))


def draw(
    pairs: Pairs, batch: int, patch: int, seed: int, step: int
) -> tuple[Float[Tensor, "b 3 h w"], Float[Tensor, "b 3 H W"]]:
    """LR crops of `patch` pixels and their HR crops in [0, 1], flipped and turned alike; by seed and step alone.

    Raises: DatasetError if no LR picture is as large as a crop (remedy: smaller crops).
    """
    usable = [index for index, picture in enumerate(pairs.lr) if min(picture.shape[:2]) >= patch]
    if not usable:
        raise DatasetError(f"no LR picture has {patch} pixels on each side; take smaller crops.")
    rng = np.random.default_rng((seed, step))
    crops: tuple[list[Picture], list[Picture]] = ([], [])
    for _ in range(batch):
        index = usable[int(rng.integers(len(usable)))]
        top, left = (int(rng.integers(side - patch + 1)) for side in pairs.lr[index].shape[:2])
        turns, mirrored = int(rng.integers(4)), bool(rng.integers(2))
        for part, picture, by in zip(crops, (pairs.lr[index], pairs.hr[index]), (1, pairs.scale), strict=True):
            crop = picture[top * by : (top + patch) * by, left * by : (left + patch) * by]
            turned = np.rot90(crop, turns)
            part.append(np.ascontiguousarray(turned[:, ::-1] if mirrored else turned))
    lr, hr = (torch.from_numpy(np.stack(part)).permute(0, 3, 1, 2).float() / 255.0 for part in crops)
    return lr, hr


def psnr_of(network: nn.Module, pairs: Pairs) -> dict[str, float]:
    """PSNR-Y in dB of each whole picture by the project's protocol."""
    upscaler = TorchUpscaler(network, pairs.scale)
    found = zip(pairs.names, pairs.lr, pairs.hr, strict=True)
    return {name: psnr_y(upscaler(lr), hr, pairs.scale) for name, lr, hr in found}


def mean_psnr(network: nn.Module, pairs: Pairs) -> float:
    """Mean of `psnr_of` over the pictures, in dB."""
    return fmean(psnr_of(network, pairs).values())
