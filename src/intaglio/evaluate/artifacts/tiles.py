"""The worst tile: the place where quantizing did most harm, which a mean over the picture does not show."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, UInt8

from intaglio.evaluate.artifacts.blocks import split_blocks
from intaglio.evaluate.metrics import rgb_to_y

TILE = 64
"""Side of a tile in output pixels: about what the eye takes in at once at reading distance."""

FLOOR = 4.0
"""Squared grey levels added to every error of a tile: two levels RMS (42 dB), below which nobody sees a difference and
a flat tile's PSNR swings by ten decibels."""

_PEAK = 255.0


@dataclass(frozen=True)
class WorstTile:
    """The tile with the lowest `psnr_float`, or with the lowest `delta` where there is a ground truth.

    Units: `top`, `left`, `height`, `width` in output pixels; `psnr_float` in dB, quantized against float; `delta` in
    dB, how much PSNR-Y against the ground truth falls from float to quantized (negative is a loss), None without one.
    Both have `FLOOR` added to each mean squared error, so equal tiles have 42.1 dB and a delta of 0.
    """

    top: int
    left: int
    height: int
    width: int
    psnr_float: float
    delta: float | None

    @property
    def rms(self) -> float:
        """Root mean squared luma error against float, in grey levels; 0 for equal tiles."""
        return math.sqrt(max(0.0, _PEAK**2 / 10 ** (self.psnr_float / 10) - FLOOR))


def worst_tile(
    quantized: UInt8[np.ndarray, "h w 3"],
    reference: UInt8[np.ndarray, "h w 3"],
    hr: UInt8[np.ndarray, "h w 3"] | None = None,
) -> WorstTile:
    """Find the worst tile of `TILE` x `TILE` pixels; tiles follow each other without overlap.

    A strip at the right and at the bottom, narrower than a tile, belongs to none. Source: ours.

    >>> clean = np.full((128, 192, 3), 90, np.uint8)
    >>> spoilt = clean.copy(); spoilt[70:80, 130:140] = 250
    >>> tile = worst_tile(spoilt, clean)
    >>> tile.top, tile.left, round(tile.psnr_float, 2)
    (64, 128, 21.46)
    """
    luma, luma_float = rgb_to_y(quantized), rgb_to_y(reference)
    against_float = _decibels(_tile_errors(luma, luma_float))
    delta = None
    if hr is not None:
        truth = rgb_to_y(hr)
        delta = _decibels(_tile_errors(luma, truth)) - _decibels(_tile_errors(luma_float, truth))
    score = against_float if delta is None else delta
    row, column = (int(index) for index in np.unravel_index(np.argmin(score), score.shape))
    height, width = min(TILE, luma.shape[0]), min(TILE, luma.shape[1])
    return WorstTile(
        top=row * height,
        left=column * width,
        height=height,
        width=width,
        psnr_float=float(against_float[row, column]),
        delta=None if delta is None else float(delta[row, column]),
    )


def _tile_errors(one: Float64[np.ndarray, "h w"], other: Float64[np.ndarray, "h w"]) -> Float64[np.ndarray, "r c"]:
    error = np.subtract(one, other)
    mean: Float64[np.ndarray, "r c"] = split_blocks(error * error, TILE).mean(axis=(2, 3))
    return mean


def _decibels(mse: Float64[np.ndarray, "r c"]) -> Float64[np.ndarray, "r c"]:
    return 10 * np.log10(_PEAK**2 / (mse + FLOOR))
