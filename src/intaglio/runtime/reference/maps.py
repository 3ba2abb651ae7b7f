"""Operations on planar maps (C, H, W) that hold no weights to quantize: resampling, pooling, sums, layer norm.

Convolutions and transformer blocks have files of their own.
"""

from __future__ import annotations

import numpy as np

from intaglio._shapes import Float32, Int
from intaglio.runtime.reference.conv import kernel_taps

Map = Float32[np.ndarray, "c h w"]
Resized = Float32[np.ndarray, "c ho wo"]


def add(a: Map, b: Map, scale: float) -> Map:
    """``a + scale * b``."""
    return a + np.float32(scale) * b


def layer_norm(
    x: Float32[np.ndarray, "*shape dim"],
    weight: Float32[np.ndarray, " dim"],
    bias: Float32[np.ndarray, " dim"],
    eps: float,
) -> Float32[np.ndarray, "*shape dim"]:
    """Normalise the last axis: ``(x - mean) / sqrt(var + eps) * weight + bias``, with the biased variance.

    >>> one = np.ones(2, dtype=np.float32)
    >>> layer_norm(np.array([[1.0, 3.0]], dtype=np.float32), one, 0 * one, eps=0.0).tolist()
    [[-1.0, 1.0]]
    """
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = np.square(centred).mean(axis=-1, keepdims=True)
    normed: Float32[np.ndarray, "*shape dim"] = centred / np.sqrt(variance + np.float32(eps)) * weight + bias
    return normed


def pixel_shuffle(x: Float32[np.ndarray, "cff h w"], factor: int) -> Resized:
    """Channels to pixels: output channel c at (f y + i, f x + j) is input channel ``c f**2 + i f + j`` at (y, x).

    >>> pixel_shuffle(np.arange(4, dtype=np.float32).reshape(4, 1, 1), factor=2).tolist()
    [[[0.0, 1.0], [2.0, 3.0]]]
    """
    channels, height, width = x.shape[0] // factor**2, *x.shape[1:]
    split = x.reshape(channels, factor, factor, height, width)
    return split.transpose(0, 3, 1, 4, 2).reshape(channels, height * factor, width * factor)


def nearest(x: Map, factor: int) -> Resized:
    """Each pixel repeated `factor` times along both axes."""
    return x.repeat(factor, axis=1).repeat(factor, axis=2)


def _bilinear_taps(
    size: int, out: int
) -> tuple[Int[np.ndarray, " out"], Int[np.ndarray, " out"], Float32[np.ndarray, " out"]]:
    """The two source indices of each output pixel along an axis, and the weight of the second."""
    position = np.maximum((np.arange(out) + 0.5) * (size / out) - 0.5, 0.0)
    first = np.minimum(position.astype(np.intp), size - 1)
    return first, np.minimum(first + 1, size - 1), (position - first).astype(np.float32)


def bilinear(x: Map, height: int, width: int) -> Resized:
    """Resize by bilinear interpolation between pixel centres, edges repeated (``align_corners = false``).

    >>> bilinear(np.array([[[0.0, 4.0]]], dtype=np.float32), 1, 4).tolist()
    [[[0.0, 1.0, 3.0, 4.0]]]
    """
    top, bottom, down = _bilinear_taps(x.shape[1], height)
    left, right, across = _bilinear_taps(x.shape[2], width)
    rows = x[:, top] * (np.float32(1.0) - down)[:, None] + x[:, bottom] * down[:, None]
    mixed: Resized = rows[:, :, left] * (np.float32(1.0) - across) + rows[:, :, right] * across
    return mixed


def global_mean(x: Map) -> Float32[np.ndarray, "c 1 1"]:
    """The mean of each channel."""
    mean: Float32[np.ndarray, "c 1 1"] = x.mean(axis=(1, 2), keepdims=True, dtype=np.float64).astype(np.float32)
    return mean


def max_pool(x: Map, kernel: int, stride: int) -> Resized:
    """The largest value under each position of a square window, without padding.

    >>> max_pool(np.array([[[1, 5, 2], [0, 3, 4]]], dtype=np.float32), kernel=2, stride=1).tolist()
    [[[5.0, 5.0]]]
    """
    largest: Resized = np.maximum.reduce([pixels for _, _, pixels in kernel_taps(x, kernel, stride)])
    return largest
