"""Density-based dual clipping (DBDC of Tu et al., CVPR 2023): both ends of a histogram are cut where it is sparse.

A bound search for one batch; averaging over batches is `intaglio.methods.steps`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import torch
from jaxtyping import Float32, Int64

from intaglio.errors import CalibrationError, SpecError
from intaglio.observe.search import spanning
from intaglio.spec import Bounds

CHUNK = 1 << 22
"""Values counted at once: a single-precision count is exact up to 2^24."""


class LowerEdge(StrEnum):
    """Where the lower bound lies."""

    OF_BIN = "of-bin"
    """At the lower edge of the first bin that is kept."""
    RELEASE = "release"
    """One bin higher, as in the released code: values of the first bin that is kept are clipped too."""


@dataclass(frozen=True)
class DensityClip:
    """Drops the sparser end bin of a histogram until the kept mass is no more than 1 - p of all values.

    p is `narrow` for codes of up to 4 bits, `middle` up to 7 and `wide` for 8. A tie drops the upper end.

    >>> values = np.array([-9.0, 0.0, 0.0, 0.0, 1.0, 1.0], dtype=np.float32)
    >>> DensityClip(bins=10, narrow=0.1)(values, bits=4)
    Bounds(lower=-8.0, upper=1.0)
    """

    bins: int = 2048
    narrow: float = 5e-4
    middle: float = 1e-4
    wide: float = 1e-5
    lower_edge: LowerEdge = LowerEdge.OF_BIN

    def __post_init__(self) -> None:
        if self.bins < 2 or not all(0.0 <= p < 1.0 for p in (self.narrow, self.middle, self.wide)):
            raise SpecError("density clipping needs at least 2 bins and ratios from 0 to below 1.")

    def __call__(self, values: Float32[np.ndarray, " n"], bits: int) -> Bounds:
        """Bounds at bin edges; a constant tensor's are that constant and a little above."""
        if values.size == 0 or not (np.isfinite(values.min()) and np.isfinite(values.max())):
            raise CalibrationError("a site saw no values, or NaN or infinite ones; check pictures and checkpoint.")
        low, high = float(values.min()), float(values.max())
        if low == high:
            return spanning(low, high)
        ratio = self.narrow if bits <= 4 else self.middle if bits < 8 else self.wide
        first, last = _kept(_histogram(values, self.bins, low, high), (1.0 - ratio) * values.size)
        width = (high - low) / self.bins
        lift = 1 if self.lower_edge is LowerEdge.RELEASE else 0
        return spanning(low + width * (first + lift), low + width * (last + 1))


def _histogram(values: Float32[np.ndarray, " n"], bins: int, low: float, high: float) -> Int64[np.ndarray, " bins"]:
    parts = torch.split(torch.from_numpy(values), CHUNK)
    counts = sum(torch.histc(part, bins, low, high).to(torch.int64) for part in parts)
    assert isinstance(counts, torch.Tensor)
    return counts.numpy()


def _kept(counts: Int64[np.ndarray, " bins"], mass: float) -> tuple[int, int]:
    """The first and the last bin that stay."""
    numbers: list[int] = counts.tolist()
    first, last, inside = 0, len(numbers) - 1, sum(numbers)
    while inside > mass and first < last:
        if numbers[first] < numbers[last]:
            inside -= numbers[first]
            first += 1
        else:
            inside -= numbers[last]
            last -= 1
    return first, last
