"""The two ends of a program: planes in [0, 1] to a float map and back, and 8-bit pictures to planes and back."""

from __future__ import annotations

import numpy as np

from intaglio._shapes import Float32, UInt8
from intaglio.packed.definition import Picture
from intaglio.packed.program import Op

Planes = Float32[np.ndarray, "_ _ _"]

_PAD_MODES = {"mirror": "symmetric", "reflect": "reflect", "edge": "edge", "zero": "constant"}


def _mean(op: Op) -> Float32[np.ndarray, "c 1 1"]:
    return np.array(op.reals("mean"), dtype=np.float32)[:, None, None]


def enter(planes: Planes, op: Op, picture: Picture) -> Float32[np.ndarray, "1 c hp wp"]:
    """``(x - mean) * range``, continued right and down to the sides of the padded picture; mirrors are periodic."""
    shifted = (planes - _mean(op)) * np.float32(op.real("range"))
    down, right = (padded - side for padded, side in zip(picture, planes.shape[1:], strict=True))
    mode = _PAD_MODES[op.text("pad")]
    return np.pad(shifted, ((0, 0), (0, down), (0, right)), mode=mode)[None]  # type: ignore[call-overload, no-any-return]


def leave(x: Float32[np.ndarray, "1 c hp wp"], op: Op, height: int, width: int) -> Planes:
    """``x / range + mean``, cropped to `height` by `width`."""
    return np.ascontiguousarray(x[0, :, :height, :width] / np.float32(op.real("range")) + _mean(op))


def from_levels(image: UInt8[np.ndarray, "h w c"]) -> Planes:
    """Grey levels as planes: ``u8 / 255``."""
    return image.transpose(2, 0, 1).astype(np.float32) / np.float32(255.0)


def to_levels(planes: Planes) -> UInt8[np.ndarray, "h w c"]:
    """Planes as grey levels: clipped to [0, 1], times 255, rounded half to even; NaN becomes 0."""
    levels = np.rint(np.fmin(np.fmax(planes, np.float32(0.0)), np.float32(1.0)) * np.float32(255.0))
    return np.ascontiguousarray(levels.astype(np.uint8).transpose(1, 2, 0))
