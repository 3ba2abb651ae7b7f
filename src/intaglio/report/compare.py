"""Quantized, float and bicubic on the same pictures: scores, artifacts, and the pictures of one of them to look at.

One picture is held at a time, and the views of one more: memory does not grow with the test set.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from jaxtyping import UInt8

from intaglio.errors import DatasetError
from intaglio.evaluate import BicubicUpscaler, Dataset, Evaluation, Pair, Score, Upscaler, psnr_y, ssim_y
from intaglio.evaluate.artifacts import Artifacts, inspect_artifacts
from intaglio.progress import Progress, Silent

Picture = UInt8[np.ndarray, "h w 3"]

BICUBIC, FLOAT, QUANTIZED, TRUTH = "bicubic", "float", "quantized", "truth"
"""The names of the views."""


@dataclass(frozen=True)
class Contestant:
    """Something that enlarges, with what it weighs (bytes on disk, if known) and what runs it."""

    label: str
    upscaler: Upscaler
    bytes: int | None = None
    runs_on: str = ""


@dataclass(frozen=True)
class Views:
    """The pictures of one test picture by the names above, all of one size, and what the guard found in it."""

    name: str
    scale: int
    lr: UInt8[np.ndarray, "lr_h lr_w 3"]
    pictures: Mapping[str, Picture]
    artifacts: Artifacts | None

    def __post_init__(self) -> None:
        object.__setattr__(self, "pictures", MappingProxyType(dict(self.pictures)))


@dataclass(frozen=True)
class Comparison:
    """Scores by name of the view, what the guard found in every picture (empty without float), and one picture."""

    evaluations: Mapping[str, Evaluation]
    artifacts: tuple[Artifacts, ...]
    views: Views


def compare(
    quantized: Contestant,
    reference: Contestant | None,
    dataset: Dataset,
    *,
    window: int | None = None,
    picture: str | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Run the contestants and the bicubic baseline on every picture; the views are those of `picture`.

    Without `picture` they are those of the picture whose worst tile lost most against float (without a float network:
    of the first). `window` is the side of attention windows in LR pixels, for the guard. Each contestant enlarges the
    first picture once before anything is timed.

    Raises: DatasetError for a picture that is not in the set, or scales that differ; ImageError as `psnr_y`.
    """
    _check(quantized, reference, dataset, picture)
    upscalers: dict[str, Upscaler] = {BICUBIC: BicubicUpscaler(dataset.scale)}
    upscalers |= {FLOAT: reference.upscaler} if reference else {}
    upscalers |= {QUANTIZED: quantized.upscaler}
    for upscaler in upscalers.values():
        upscaler(dataset[0].lr)
    scores: dict[str, list[Score]] = {name: [] for name in upscalers}
    found: list[Artifacts] = []
    shown: Views | None = None
    with (progress or Silent()).stage(dataset.name, len(dataset)) as advance:
        for pair in dataset:
            views = _views(upscalers, pair, dataset.scale, window, scores)
            found += [views.artifacts] if views.artifacts else []
            if pair.name == picture or (picture is None and (shown is None or _loss(views) > _loss(shown))):
                shown = views
            advance(pair.name)
    assert shown is not None
    evaluations = {name: Evaluation(dataset.name, dataset.scale, tuple(rows)) for name, rows in scores.items()}
    return Comparison(evaluations, tuple(found), shown)


def _check(quantized: Contestant, reference: Contestant | None, dataset: Dataset, picture: str | None) -> None:
    for one in (quantized, reference) if reference else (quantized,):
        if one.upscaler.scale != dataset.scale:
            raise DatasetError(
                f"{one.label} enlarges x{one.upscaler.scale} but {dataset.name} was loaded at x{dataset.scale}; "
                "compare networks of one scale."
            )
    names = [path.stem for path, _ in dataset.files]
    if picture is not None and picture not in names:
        raise DatasetError(f"{dataset.name} has no picture {picture!r}; it has {', '.join(names[:20])}.")


def _views(
    upscalers: Mapping[str, Upscaler], pair: Pair, scale: int, window: int | None, scores: dict[str, list[Score]]
) -> Views:
    """Run everything on one picture; the scores are appended to `scores`."""
    pictures = {TRUTH: pair.hr}
    for name, upscaler in upscalers.items():
        start = time.perf_counter()
        sr = pictures[name] = upscaler(pair.lr)
        seconds = time.perf_counter() - start
        scores[name].append(Score(pair.name, psnr_y(sr, pair.hr, scale), ssim_y(sr, pair.hr, scale), seconds))
    artifacts = None
    if FLOAT in pictures:
        artifacts = inspect_artifacts(
            pictures[QUANTIZED], pictures[FLOAT], scale=scale, window=window, hr=pair.hr, name=pair.name
        )
    return Views(pair.name, scale, pair.lr, pictures, artifacts)


def _loss(views: Views) -> float:
    """What the worst tile lost, in dB; least where nothing is known."""
    delta = views.artifacts.tile.delta if views.artifacts else None
    return float("-inf") if delta is None else -delta
