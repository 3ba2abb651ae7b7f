"""Bound searches: functions from the values of a tensor and a bit width to clipping bounds.

A search never learns what a layer is. Each is a frozen value, so that it can be named in a recipe and hashed. What it
knows of the values is a `Distribution`: exact or a histogram.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float64

from intaglio.errors import SpecError
from intaglio.observe.distribution import Distribution, Levels, Sample, Values
from intaglio.spec import Bounds

MIN_RELATIVE_RANGE = 1e-6

Ends = Float[np.ndarray, " k"]


@runtime_checkable
class Search(Protocol):
    """Finds the bounds of one tensor."""

    def __call__(self, values: Values, bits: int) -> Bounds:
        """Bounds for the given values, in any order, in single precision."""
        ...


@runtime_checkable
class DistributionSearch(Search, Protocol):
    """A search that needs no more than a distribution tells; of values it takes the exact one."""

    def fit(self, distribution: Distribution, bits: int) -> Bounds:
        """Bounds for values of which only this is known."""
        ...


def spanning(lower: float, upper: float) -> Bounds:
    """Bounds from `lower` to `upper`, raised at the top where a constant tensor leaves no range.

    The constant itself stays exactly representable (it is the lower bound).

    >>> spanning(0.0, 0.0)
    Bounds(lower=0.0, upper=1e-06)
    """
    return Bounds(lower, max(upper, lower + MIN_RELATIVE_RANGE * max(1.0, abs(lower), abs(upper))))


class _Fitting:
    """Calling a search with values: it fits their exact distribution."""

    def __call__(self, values: Values, bits: int) -> Bounds:
        """Bounds for the given values, in any order. Raises: CalibrationError if they are none, or not finite."""
        return self.fit(Sample(values), bits)

    def fit(self, distribution: Distribution, bits: int) -> Bounds:
        """See the classes below."""
        raise NotImplementedError


@dataclass(frozen=True)
class MinMax(_Fitting):
    """The extremes of the values (Jacob et al. 2018): nothing is clipped.

    >>> MinMax()(np.array([3.0, -1.0, 0.5], dtype=np.float32), bits=4)
    Bounds(lower=-1.0, upper=3.0)
    """

    def fit(self, distribution: Distribution, bits: int) -> Bounds:
        """Minimum and maximum; `bits` does not matter."""
        del bits
        return spanning(distribution.low, distribution.high)


@dataclass(frozen=True)
class Percentile(_Fitting):
    """Low and high percentiles of the values (Li et al. 2019), linear between neighbours.

    `tail` is what is cut at each end, in percent. The published rows do not state theirs (docs/methods/percentile.md).

    >>> Percentile(tail=25.0)(np.arange(5, dtype=np.float32), bits=4)
    Bounds(lower=1.0, upper=3.0)
    """

    tail: float = 0.1

    def __post_init__(self) -> None:
        if not 0.0 <= self.tail < 50.0:
            raise SpecError(f"a tail of {self.tail} % was asked for; choose 0 to below 50.")

    def fit(self, distribution: Distribution, bits: int) -> Bounds:
        """The two percentiles; `bits` does not matter."""
        del bits
        return spanning(distribution.percentile(self.tail), distribution.percentile(100.0 - self.tail))


@dataclass(frozen=True)
class TwoSidedMse(_Fitting):
    """DOBI of 2DQuant, algorithm 1, for bell-shaped tensors: both bounds move inwards in K equal steps.

    Candidate i of `candidates` = K is ``l = m + i (M - m) / 2K, u = M - i (M - m) / 2K``; the first with the least
    squared error wins (the printed algorithm's `<=` and its growing upper bound are misprints, see
    docs/methods/dobi.md). All candidates cost one pass instead of K.
    """

    candidates: int = 100

    def fit(self, distribution: Distribution, bits: int) -> Bounds:
        """The candidate with the least sum of squared rounding and clipping errors."""
        return _best(distribution, bits, *self.grid(distribution.low, distribution.high))

    def grid(self, low: float, high: float) -> tuple[Float64[np.ndarray, " k"], Float64[np.ndarray, " k"]]:
        """Lower and upper bounds of all candidates for values from `low` to `high`."""
        shrink = np.arange(self.candidates) * ((high - low) / (2 * self.candidates))
        return low + shrink, high - shrink


@dataclass(frozen=True)
class OneSidedMse(_Fitting):
    """DOBI for tensors bounded below (attention maps, GELU outputs): only the upper bound moves, ``u = M - i (M - m)
    / K``."""

    candidates: int = 100

    def fit(self, distribution: Distribution, bits: int) -> Bounds:
        """The candidate with the least sum of squared errors; the lower bound stays the minimum."""
        return _best(distribution, bits, *self.grid(distribution.low, distribution.high))

    def grid(self, low: float, high: float) -> tuple[Float64[np.ndarray, " k"], Float64[np.ndarray, " k"]]:
        """Lower and upper bounds of all candidates for values from `low` to `high`."""
        return np.full(self.candidates, low), high - np.arange(self.candidates) * ((high - low) / self.candidates)


@dataclass(frozen=True)
class FreeMse(_Fitting):
    """Least squared error over both bounds, each free of the other. Ours.

    Candidates are all pairs ``l = m + i (M - m) / K, u = M - j (M - m) / K`` with i + j < K = `candidates`, and those
    of `TwoSidedMse`, so that no error is above DOBI's or that of the extremes; then, around the best, both bounds move
    by up to a step in `finer` parts each way. Where at least `zero_share` of the values are exactly zero, zero is kept:
    all candidates that have it between their bounds are shifted, by half a step of their grid at most, so that it is a
    level, and no other counts.
    """

    candidates: int = 64
    finer: int = 8
    zero_share: float = 0.1

    def __post_init__(self) -> None:
        if self.candidates < 1 or self.finer < 1:
            raise SpecError(
                f"{self.candidates} candidates in {self.finer} finer parts were asked for; give at least 1."
            )

    def fit(self, distribution: Distribution, bits: int) -> Bounds:
        """The pair with the least sum of squared rounding and clipping errors; of equal ones the first."""
        if distribution.low == distribution.high:
            return spanning(distribution.low, distribution.high)
        coarse = self._best(distribution, bits, *self.grid(distribution.low, distribution.high))
        step = (distribution.high - distribution.low) / (self.candidates * self.finer)
        shift = np.arange(-self.finer, self.finer + 1) * step
        lower, upper = (ends.ravel() for ends in np.meshgrid(coarse[0] + shift, coarse[1] + shift, indexing="ij"))
        kept = (lower >= distribution.low) & (upper <= distribution.high) & (lower < upper)
        found = self._best(distribution, bits, np.append(coarse[0], lower[kept]), np.append(coarse[1], upper[kept]))
        return spanning(*found)

    def grid(self, low: float, high: float) -> tuple[Float64[np.ndarray, " k"], Float64[np.ndarray, " k"]]:
        """Lower and upper bounds of the coarse candidates for values from `low` to `high`."""
        index, step = np.arange(self.candidates), (high - low) / self.candidates
        pairs = np.stack(np.meshgrid(index, index, indexing="ij")).reshape(2, -1)
        i, j = pairs[:, pairs.sum(0) < self.candidates]
        lower, upper = TwoSidedMse(self.candidates).grid(low, high)
        return np.concatenate([low + i * step, lower]), np.concatenate([high - j * step, upper])

    def _best(self, distribution: Distribution, bits: int, lower: Ends, upper: Ends) -> tuple[float, float]:
        if distribution.zero_share >= self.zero_share:
            lower, upper = _through_zero(bits, lower, upper)
        winner = int(np.argmin(distribution.errors_of_levels(_levels(bits, lower, upper))))
        return float(lower[winner]), float(upper[winner])


def _through_zero(
    bits: int, lower: Ends, upper: Ends
) -> tuple[Float[np.ndarray, " around"], Float[np.ndarray, " around"]]:
    """Those bounds around zero, shifted by half a step at most so that zero is a level."""
    around = (lower <= 0.0) & (upper >= 0.0)
    top = (1 << bits) - 1
    step = (upper[around] - lower[around]) / top
    shifted = -np.rint(-lower[around] / step) * step
    return shifted, shifted + top * step


def squared_errors(distribution: Distribution, energy: float, bits: int, lower: Ends, upper: Ends) -> Ends:
    """Sum of squared quantization errors of values for K pairs of bounds; `energy` is the sum of their squares.

    Shapes: bounds (K,), result (K,). Units: those of the values, squared.

    >>> values = np.array([0.0, 0.4, 1.0], np.float32)
    >>> squared_errors(Sample(values), 1.16, 2, np.array([0.0]), np.array([3.0])).round(6).tolist()
    [0.16]
    """
    errors: Ends = energy + distribution.errors_of_levels(_levels(bits, lower, upper))
    return errors


def _levels(bits: int, lower: Ends, upper: Ends) -> Levels:
    top = (1 << bits) - 1
    levels: Levels = lower[:, None] + ((upper - lower) / top)[:, None] * np.arange(top + 1)
    return levels


def _best(distribution: Distribution, bits: int, lower: Ends, upper: Ends) -> Bounds:
    if distribution.low == distribution.high:
        return spanning(distribution.low, distribution.high)
    winner = int(np.argmin(distribution.errors_of_levels(_levels(bits, lower, upper))))
    return spanning(float(lower[winner]), float(upper[winner]))
