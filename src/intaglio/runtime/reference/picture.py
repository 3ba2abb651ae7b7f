"""The two ends of a program: 8-bit pictures to float maps and back. Everything between works on float maps."""

from __future__ import annotations

import numpy as np

from intaglio._shapes import Float32, UInt8
from intaglio.packed.program import Op


def _mean(op: Op) -> Float32[np.ndarray, "3 1 1"]:
    return np.array(op.reals("mean"), dtype=np.float32)[:, None, None]


def picture(image: UInt8[np.ndarray, "h w 3"], op: Op) -> Float32[np.ndarray, "3 hp wp"]:
    """Grey levels to a map, ``(u8 / 255 - mean) * range``, mirrored right and down to multiples of ``multiple``.

    The edge pixel is repeated in the mirror image, which is periodic: one pixel alone fills its map.
    """
    planes = image.transpose(2, 0, 1).astype(np.float32) / np.float32(255.0)
    multiple = op.integer("multiple")
    down, right = (-size % multiple for size in planes.shape[1:])
    mirrored = np.pad(planes, ((0, 0), (0, down), (0, right)), mode="symmetric")
    shifted: Float32[np.ndarray, "3 hp wp"] = (mirrored - _mean(op)) * np.float32(op.real("range"))
    return shifted


def output(x: Float32[np.ndarray, "3 hp wp"], op: Op, height: int, width: int) -> UInt8[np.ndarray, "h w 3"]:
    """A map to grey levels: ``x / range + mean`` clipped to [0, 1], times 255, rounded half to even, cropped."""
    unit = x[:, :height, :width] / np.float32(op.real("range")) + _mean(op)
    levels = np.rint(np.fmin(np.fmax(unit, np.float32(0.0)), np.float32(1.0)) * np.float32(255.0))
    return np.ascontiguousarray(levels.astype(np.uint8).transpose(1, 2, 0))
