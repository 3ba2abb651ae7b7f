"""Colour shift: does quantizing tint the picture? Noise is averaged away first, so that it is not taken for colour."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from intaglio.evaluate.artifacts.blocks import split_blocks
from intaglio.evaluate.artifacts.lab import delta_e_2000, linear_light, linear_to_lab

BLOCK = 16
"""Side in output pixels of the blocks whose mean colours are compared."""


@dataclass(frozen=True)
class ColourShift:
    """How far mean colours move. Units: CIEDE2000 for the first two, grey levels (quantized - float) for `bias`.

    `mean` is over all blocks, `worst` is the 99th percentile; `bias` is the mean of each channel's error.
    """

    mean: float
    worst: float
    bias: tuple[float, float, float]


def colour_shift(quantized: UInt8[np.ndarray, "h w 3"], reference: UInt8[np.ndarray, "h w 3"]) -> ColourShift:
    """Compare the mean colours, in linear light, of blocks of `BLOCK` x `BLOCK` pixels. Source: ours.

    >>> gray = np.full((32, 32, 3), 128, np.uint8)
    >>> shift = colour_shift(gray + np.array([6, 0, 0], np.uint8), gray)
    >>> round(shift.mean, 2), shift.bias
    (3.27, (6.0, 0.0, 0.0))
    """
    ours, theirs = (
        linear_to_lab(split_blocks(linear_light(image), BLOCK).mean(axis=(2, 3))) for image in (quantized, reference)
    )
    difference = delta_e_2000(ours, theirs)
    red, green, blue = np.mean(quantized.astype(np.float64) - reference, axis=(0, 1)).tolist()
    return ColourShift(float(difference.mean()), float(np.quantile(difference, 0.99)), (red, green, blue))
