"""What a bound search needs to know of a tensor: its ends, and the error of rounding it to any levels.

`Sample` knows it exactly, from all values in order; `Histogram` (`histogram.py`) to a proven bound, keeping none.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, Float64, Int

from intaglio.errors import CalibrationError

Values = Float32[np.ndarray, " n"]
Levels = Float64[np.ndarray, "k levels"]


@runtime_checkable
class Distribution(Protocol):
    """The values of a tensor, in any order."""

    @property
    def low(self) -> float:
        """The least value."""
        ...

    @property
    def high(self) -> float:
        """The greatest value."""
        ...

    @property
    def zero_share(self) -> float:
        """Share of values that are exactly zero."""
        ...

    def percentile(self, share: float) -> float:
        """The value below which `share` percent of the values lie, linear between neighbours."""
        ...

    def errors_of_levels(self, levels: Levels) -> Float64[np.ndarray, " k"]:
        """Squared errors of the values on K sets of ascending levels, less the sum of x^2, the same for all."""
        ...


def checked(low: float, high: float) -> None:
    """Raises: CalibrationError unless both are finite (remedy: look at pictures and checkpoint)."""
    if not (math.isfinite(low) and math.isfinite(high)):
        raise CalibrationError(
            "a site saw no values, or NaN or infinite ones; check the calibration pictures and the checkpoint."
        )


class Sample:
    """All values in order. Cost: a sort, then O(K 2^b log N) for the errors of K sets of levels.

    Raises: CalibrationError if there is no value, or one that is not finite.
    """

    def __init__(self, values: Values) -> None:
        self.ordered = np.sort(values)
        # NaN comes last, so that the ends tell.
        checked(*((self.low, self.high) if self.ordered.size else (math.nan, math.nan)))

    @property
    def low(self) -> float:
        """The least value."""
        return float(self.ordered[0])

    @property
    def high(self) -> float:
        """The greatest value."""
        return float(self.ordered[-1])

    @cached_property
    def zero_share(self) -> float:
        """Share of values that are exactly zero."""
        return 1.0 - float(np.count_nonzero(self.ordered)) / self.ordered.size

    def percentile(self, share: float) -> float:
        """The value below which `share` percent of the values lie, linear between neighbours."""
        position = (self.ordered.size - 1) * share / 100.0
        below = int(position)
        above = min(below + 1, self.ordered.size - 1)
        low, high = float(self.ordered[below]), float(self.ordered[above])
        return low + (position - below) * (high - low)

    def errors_of_levels(self, levels: Levels) -> Float64[np.ndarray, " k"]:
        """Squared errors of the values on K sets of ascending levels, less the sum of x^2, which is the same for all.

        Between two neighbouring decision thresholds every value goes to one level q and adds ``x^2 - 2 q x + q^2``, so
        a set needs only counts and sums of x between its thresholds: positions by bisection, sums by one reduction over
        the positions of all sets together. Double precision; a value on a threshold is equally far from both levels, so
        the rounding rule does not matter.

        >>> values = np.array([0.0, 0.4, 1.0], np.float32)
        >>> Sample(values).errors_of_levels(np.array([[0.0, 1.0], [0.0, 0.5]])).round(6).tolist()
        [-1.0, -0.9]
        """
        thresholds = (levels[:, 1:] + levels[:, :-1]) / 2.0
        cuts = np.searchsorted(self.ordered, thresholds.astype(np.float32).ravel()).reshape(thresholds.shape)
        edges = np.zeros((len(levels), 1), dtype=cuts.dtype)
        cuts = np.concatenate([edges, cuts, edges + self.ordered.size], axis=1)
        return errors_between(levels, np.diff(cuts, axis=1), np.diff(_prefix_sums_at(self.ordered, cuts), axis=1))


def errors_between(
    levels: Levels, counts: Int[np.ndarray, "k levels"] | Levels, sums: Levels
) -> Float64[np.ndarray, " k"]:
    """The errors of `Distribution.errors_of_levels` from the counts and sums of the values that go to each level."""
    errors: Float64[np.ndarray, " k"] = (levels * (levels * counts - 2.0 * sums)).sum(1)
    return errors


def _prefix_sums_at(ordered: Values, cuts: Int[np.ndarray, "k m"]) -> Float64[np.ndarray, "k m"]:
    """Sum of the first ``cuts[i, j]`` values, in double precision."""
    positions, where = np.unique(cuts, return_inverse=True)
    inner = positions[positions < ordered.size]
    segments = np.add.reduceat(ordered, inner, dtype=np.float64)
    # positions[0] is 0: candidates always begin at the first value.
    prefix = np.concatenate([[0.0], np.cumsum(segments)])
    return prefix[where].reshape(cuts.shape)
