"""Measure an upscaler on a test set: PSNR-Y, SSIM-Y and seconds of each picture.

The protocol in words is `protocol.py`; writing results down is `records.py`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import fmean

from intaglio.errors import DatasetError
from intaglio.evaluate.datasets import Dataset, Pair
from intaglio.evaluate.metrics import psnr_y, ssim_y
from intaglio.evaluate.upscaler import Upscaler
from intaglio.progress import Progress, Silent


@dataclass(frozen=True)
class Score:
    """One picture. Units: `psnr_y` dB, `ssim_y` at most 1, `seconds` of wall clock for the upscaler alone."""

    name: str
    psnr_y: float
    ssim_y: float
    seconds: float


@dataclass(frozen=True)
class Evaluation:
    """The scores of a test set, in the order of its files, and their means over pictures (not over pixels)."""

    dataset: str
    scale: int
    scores: tuple[Score, ...]

    @property
    def psnr_y(self) -> float:
        """Mean PSNR-Y in dB."""
        return fmean(score.psnr_y for score in self.scores)

    @property
    def ssim_y(self) -> float:
        """Mean SSIM-Y."""
        return fmean(score.ssim_y for score in self.scores)

    @property
    def seconds(self) -> float:
        """Wall clock of the upscaler over all pictures, in seconds."""
        return sum(score.seconds for score in self.scores)


def evaluate(upscaler: Upscaler, dataset: Dataset, *, progress: Progress | None = None) -> Evaluation:
    """Upscale every LR picture whole and compare with its HR picture, `scale` pixels cropped per side.

    Rounding to 8 bits is the upscaler's. Pictures are read one at a time, so that memory does not grow with the set;
    `progress` hears of each one.

    Raises: DatasetError when the scales of the two differ; ImageError when an output has another size than its HR.
    Source: the protocol of the SR literature; see `protocol_text`.
    """
    if upscaler.scale != dataset.scale:
        raise DatasetError(
            f"The upscaler enlarges x{upscaler.scale} but {dataset.name} was loaded at x{dataset.scale}; "
            f"load it at scale {upscaler.scale}."
        )
    scores = []
    with (progress or Silent()).stage(dataset.name, len(dataset)) as advance:
        for pair in dataset:
            scores.append(_score(upscaler, pair))
            advance(f"{pair.name} {scores[-1].psnr_y:.2f} dB")
    return Evaluation(dataset.name, dataset.scale, tuple(scores))


def _score(upscaler: Upscaler, pair: Pair) -> Score:
    start = time.perf_counter()
    sr = upscaler(pair.lr)
    seconds = time.perf_counter() - start
    return Score(pair.name, psnr_y(sr, pair.hr, upscaler.scale), ssim_y(sr, pair.hr, upscaler.scale), seconds)
