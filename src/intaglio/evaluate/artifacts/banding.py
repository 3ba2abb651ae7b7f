"""Banding: gentle gradients of the float picture that the quantized one renders as flat bands with edges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, UInt8

from intaglio.evaluate.artifacts.blocks import split_blocks
from intaglio.evaluate.metrics import rgb_to_y

BLOCK = 32
"""Side of a block in output pixels."""

_SMOOTH_STEP = 4
"""A smooth block has no step between neighbours above this, in grey levels."""
_SMOOTH_LEVELS = (4, 40)
"""... and this many distinct grey levels: fewer cannot be banded, more is no gentle gradient."""
_STEP_GROWTH = 2
"""A band's edge is at least so many grey levels higher than the largest step of the float block."""


@dataclass(frozen=True)
class Banding:
    """`share` of the float picture's smooth blocks that came out banded, of `smooth` such blocks in all.

    Without smooth blocks the share is 0: there is nothing that could show bands.
    """

    share: float
    smooth: int


def banding(quantized: UInt8[np.ndarray, "h w 3"], reference: UInt8[np.ndarray, "h w 3"]) -> Banding:
    """Count the smooth blocks that are banded.

    A block is smooth where the float picture has 4 to 40 distinct luma levels (rounded) and no step between
    neighbours above 4. It is banded where the quantized picture keeps at most half of those levels, and either has a
    step at least 2 levels higher than float's largest (the edge of a band) or is flat (the inside of one). Noise adds
    levels and smoothing lowers steps, so neither is counted. Source: ours.

    >>> ramp = np.repeat(np.tile(np.arange(64, 128, dtype=np.uint8), (64, 1))[..., None], 3, axis=2)
    >>> banding(ramp // 16 * 16, ramp)
    Banding(share=1.0, smooth=4)
    >>> banding(ramp, ramp).share
    0.0
    """
    before, after = (split_blocks(np.rint(rgb_to_y(image)), BLOCK) for image in (reference, quantized))
    levels_before, levels_after = _distinct(before), _distinct(after)
    step_before, step_after = _largest_step(before), _largest_step(after)
    fewest, most = _SMOOTH_LEVELS
    smooth = (levels_before >= fewest) & (levels_before <= most) & (step_before <= _SMOOTH_STEP)
    edged: Bool[np.ndarray, "r c"] = (step_after >= step_before + _STEP_GROWTH) | (levels_after == 1)
    banded = smooth & (2 * levels_after <= levels_before) & edged
    count = int(np.count_nonzero(smooth))
    return Banding(int(np.count_nonzero(banded)) / max(1, count), count)


def _distinct(blocks: Float64[np.ndarray, "r c h w"]) -> np.ndarray:
    ordered = np.sort(blocks.reshape(*blocks.shape[:2], -1), axis=-1)
    return np.asarray(np.count_nonzero(np.diff(ordered, axis=-1), axis=-1) + 1)


def _largest_step(blocks: Float64[np.ndarray, "r c h w"]) -> np.ndarray:
    down, across = (np.abs(np.diff(blocks, axis=axis)).max(axis=(2, 3), initial=0.0) for axis in (2, 3))
    return np.asarray(np.maximum(down, across))
