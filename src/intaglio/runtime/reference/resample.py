"""Pools and changes of size of maps (N, C, H, W)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import floor
from types import MappingProxyType

import numpy as np

from intaglio._shapes import Float32, Float64, Int
from intaglio.packed.definition import Picture
from intaglio.packed.program import Op
from intaglio.runtime.reference.conv import kernel_taps
from intaglio.runtime.reference.probe import Probe

Map = Float32[np.ndarray, "_ _ _ _"]
Indices = Int[np.ndarray, " out"]

CUBIC = -0.75
"""The parameter a of the cubic convolution kernel (Keys 1981, equation 4; the value is torch's)."""


def pool2d(op: Op, inputs: Sequence[Map], probe: Probe, picture: Picture) -> Map:
    """The largest number or the mean under each position of a window."""
    largest = op.text("function") == "max"
    down, across = op.integers("padding")
    border = np.float32(-np.inf if largest else 0.0)
    padded = np.pad(inputs[0], ((0, 0), (0, 0), (down, down), (across, across)), constant_values=border)
    taps = [pixels for _, _, pixels in kernel_taps(padded, op.integers("kernel"), op.integers("stride"))]
    if largest:
        return np.asarray(np.maximum.reduce(taps))
    mean = np.sum(taps, axis=0, dtype=np.float64) / len(taps)
    return np.asarray(mean, dtype=np.float32)


def resize(op: Op, inputs: Sequence[Map], probe: Probe, picture: Picture) -> Map:
    """A map brought to other sides: by nearest place, or mixed of two or four places along each axis."""
    rows, columns = (_axis(op, inputs, axis) for axis in (0, 1))
    return _MODES[op.text("mode")](inputs[0], rows, columns)


class _Axis:
    """One axis of a resize: its length, the new one, and the step between places of the output, as times / by."""

    def __init__(self, size: int, out: int, times: float, by: float) -> None:
        self.size, self.out = size, out
        self._times, self._by = times, by
        self.step = times / by

    def nearest(self) -> Indices:
        """The nearest place at or before each place of the output: one rounding, which moves no quotient across an
        integer."""
        places = np.floor(np.arange(self.out) * self._times / self._by)
        return np.asarray(np.minimum(places, self.size - 1), dtype=np.intp)

    def positions(self) -> Float64[np.ndarray, " out"]:
        """Where the places of the output are, centres aligned."""
        return (np.arange(self.out) + 0.5) * self.step - 0.5


def _axis(op: Op, inputs: Sequence[Map], axis: int) -> _Axis:
    size = inputs[0].shape[2 + axis]
    if op.text("to") == "like":
        out = inputs[1].shape[2 + axis]
        return _Axis(size, out, float(size), float(out))
    factor = op.reals("factor")[axis]
    out = floor(size * factor)
    if op.text("mode") == "nearest" and out in (size, 2 * size):
        return _Axis(size, out, float(size), float(out))
    return _Axis(size, out, 1.0, factor)


def _nearest(x: Map, rows: _Axis, columns: _Axis) -> Map:
    return np.asarray(x[:, :, rows.nearest()][:, :, :, columns.nearest()])


def _bilinear(x: Map, rows: _Axis, columns: _Axis) -> Map:
    top, bottom, down = _two(rows)
    left, right, across = _two(columns)
    one = np.float32(1.0)
    mixed = x[:, :, top] * (one - down)[:, None] + x[:, :, bottom] * down[:, None]
    result: Map = mixed[..., left] * (one - across) + mixed[..., right] * across
    return result


def _two(axis: _Axis) -> tuple[Indices, Indices, Float32[np.ndarray, " out"]]:
    """The two places that each place of the output is mixed of, and the weight of the second."""
    position = np.arange(axis.out, dtype=np.float64) if axis.out == axis.size else np.maximum(axis.positions(), 0.0)
    first = np.minimum(position.astype(np.intp), axis.size - 1)
    return first, np.minimum(first + 1, axis.size - 1), (position - first).astype(np.float32)


def _bicubic(x: Map, rows: _Axis, columns: _Axis) -> Map:
    across: Map = sum(weight * x[..., places] for places, weight in _four(columns))
    down: Map = sum(weight[:, None] * across[:, :, places] for places, weight in _four(rows))
    return down


def _four(axis: _Axis) -> list[tuple[Indices, Float32[np.ndarray, " out"]]]:
    """The four places that each place of the output is mixed of, each with its weight."""
    position = axis.positions()
    first = np.floor(position)
    taps = []
    for offset in (-1, 0, 1, 2):
        places = np.clip(first.astype(np.intp) + offset, 0, axis.size - 1)
        taps.append((places, _cubic(np.abs(position - first - offset)).astype(np.float32)))
    return taps


def _cubic(distance: Float64[np.ndarray, " out"]) -> Float64[np.ndarray, " out"]:
    """The cubic convolution kernel at a distance of 0 to 2."""
    d, a = distance, CUBIC
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return np.asarray(np.where(d <= 1, near, far))


_MODES: Mapping[str, Callable[[Map, _Axis, _Axis], Map]] = MappingProxyType(
    {"nearest": _nearest, "bilinear": _bilinear, "bicubic": _bicubic}
)
