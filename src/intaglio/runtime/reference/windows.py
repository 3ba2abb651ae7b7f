"""What attention in windows needs beside products: position bias, the mask of shifted windows; and constants."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from intaglio._shapes import Float32, Int
from intaglio.packed.definition import Picture, length
from intaglio.packed.program import Op
from intaglio.runtime.reference.probe import Probe

Value = Float32[np.ndarray, "..."]


def constant(op: Op, inputs: Sequence[Value], probe: Probe, picture: Picture) -> Value:
    """A tensor of the file."""
    return np.asarray(op.tensors["value"])


def relative_index(height: int, width: int) -> Int[np.ndarray, "queries keys"]:
    """Row of the position table for each query and key: ``(yi - yj + h - 1)(2w - 1) + (xi - xj + w - 1)``.

    >>> relative_index(2, 2)[0].tolist()  # the query at the upper left
    [4, 3, 1, 0]
    """
    y, x = np.divmod(np.arange(height * width), width)
    dy, dx = y[:, None] - y + height - 1, x[:, None] - x + width - 1
    rows: Int[np.ndarray, "queries keys"] = dy * (2 * width - 1) + dx
    return rows


def position_bias(op: Op, inputs: Sequence[Value], probe: Probe, picture: Picture) -> Value:
    """The relative position bias of windows, (heads, T, T)."""
    return np.ascontiguousarray(op.tensors["table"][relative_index(*op.integers("window"))].transpose(2, 0, 1))


def regions(size: int, window: int, shift: int) -> Int[np.ndarray, " size"]:
    """The region, 0 to 2, of each row (or column) of the rolled map.

    >>> regions(6, window=2, shift=1).tolist()
    [0, 0, 0, 0, 1, 2]
    """
    return np.searchsorted((size - window, size - shift), np.arange(size), side="right")


def shift_mask(op: Op, inputs: Sequence[Value], probe: Probe, picture: Picture) -> Value:
    """Which tokens of shifted windows may see each other, (windows, T, T): 0 where they may, ``value`` where not."""
    (h, w), shift = op.integers("window"), op.integers("shift")
    height, width = length(op, "height", picture), length(op, "width", picture)
    marks = 3 * regions(height, h, shift[0])[:, None] + regions(width, w, shift[1])
    cut = marks.reshape(height // h, h, width // w, w).transpose(0, 2, 1, 3).reshape(-1, h * w)
    return np.where(cut[:, :, None] != cut[:, None, :], np.float32(op.real("value")), np.float32(0.0))
