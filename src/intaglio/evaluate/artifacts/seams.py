"""Seams: does the error jump where the attention windows of the network meet?"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Float64, UInt8

from intaglio.errors import ImageError
from intaglio.evaluate.metrics import rgb_to_y


@dataclass(frozen=True)
class Seams:
    """The strongest of the four grids of borders: rows or columns, of the plain or of the shifted windows.

    `at_borders` and `elsewhere` are the mean absolute steps of the error (quantized - float, luma) in grey levels,
    `direction` is ``rows`` or ``columns``, `shifted` tells the grid of the shifted windows.
    """

    at_borders: float
    elsewhere: float
    direction: str
    shifted: bool

    @property
    def excess(self) -> float:
        """Grey levels by which the error jumps more at borders than elsewhere."""
        return self.at_borders - self.elsewhere

    @property
    def ratio(self) -> float:
        """`at_borders` over `elsewhere`; 1 where the error does not jump at all."""
        if self.elsewhere == 0.0:
            return 1.0 if self.at_borders == 0.0 else float("inf")
        return self.at_borders / self.elsewhere


def seams(
    quantized: UInt8[np.ndarray, "h w 3"], reference: UInt8[np.ndarray, "h w 3"], window: int, scale: int
) -> Seams:
    """Compare the steps of the error across window borders with those across all other borders of LR pixels.

    Borders lie every ``window * scale`` output pixels, those of shifted windows half a window further. Only borders of
    LR pixels are compared with each other: inside one LR pixel the sub-pixels come from one place of the network, and
    their error steps differ for that reason alone. Lines of the other grid are left out of "elsewhere".

    Units: `window` in LR pixels. Raises: ImageError for a picture without two windows (remedy: a larger one).
    Source: ours.

    >>> clean = np.full((64, 64, 3), 100, np.uint8)
    >>> jumps = clean + (np.arange(64) // 16 % 2 * 3).astype(np.uint8)[:, None, None]
    >>> found = seams(jumps, clean, window=8, scale=2)
    >>> found.direction, found.shifted, round(found.at_borders, 3), found.elsewhere
    ('rows', False, 2.576, 0.0)
    """
    period = window * scale
    if min(quantized.shape[:2]) < 2 * period:
        raise ImageError(f"Seams need two windows of {period} output pixels a side; take a larger picture.")
    error = rgb_to_y(quantized) - rgb_to_y(reference)
    found = []
    for (direction, turned), shifted in product((("rows", error), ("columns", error.T)), (False, True)):
        at, elsewhere = _steps(turned, period, scale, shifted)
        found.append(Seams(at, elsewhere, direction, shifted))
    return max(found, key=lambda one: one.excess)


def _steps(error: Float64[np.ndarray, "h w"], period: int, scale: int, shifted: bool) -> tuple[float, float]:
    """Mean absolute step between rows at the borders of one grid, and at LR borders that are of neither grid."""
    step = np.abs(np.diff(error, axis=0)).mean(axis=1)
    row = np.arange(1, len(error))
    half = period // 2 // scale * scale
    plain, other = row % period == 0, row % period == half
    neither = (row % scale == 0) & ~plain & ~other
    at = step[other if shifted else plain]
    return float(at.mean()), float(step[neither].mean()) if neither.any() else 0.0
