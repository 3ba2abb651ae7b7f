"""Bound searches: functions from the values of a tensor and a bit width to clipping bounds.

A search never learns what a layer is. Each is a frozen value, so that it can be named in a recipe and hashed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32, Float64, Int

from intaglio.errors import CalibrationError, SpecError
from intaglio.spec import Bounds

MIN_RELATIVE_RANGE = 1e-6

Values = Float32[np.ndarray, " n"]


@runtime_checkable
class Search(Protocol):
    """Finds the bounds of one tensor."""

    def __call__(self, values: Values, bits: int) -> Bounds:
        """Bounds for the given values, in any order, in single precision."""
        ...


def spanning(lower: float, upper: float) -> Bounds:
    """Bounds from `lower` to `upper`, raised at the top where a constant tensor leaves no range.

    The constant itself stays exactly representable (it is the lower bound).

    >>> spanning(0.0, 0.0)
    Bounds(lower=0.0, upper=1e-06)
    """
    return Bounds(lower, max(upper, lower + MIN_RELATIVE_RANGE * max(1.0, abs(lower), abs(upper))))


def _checked(low: float, high: float) -> None:
    if not (math.isfinite(low) and math.isfinite(high)):
        raise CalibrationError(
            "a site saw no values, or NaN or infinite ones; check the calibration pictures and the checkpoint."
        )


def _sorted(values: Values) -> Values:
    ordered = np.sort(values)
    # NaN comes last, so that the ends tell.
    _checked(*((float(ordered[0]), float(ordered[-1])) if ordered.size else (math.nan, math.nan)))
    return ordered


@dataclass(frozen=True)
class MinMax:
    """The extremes of the values (Jacob et al. 2018): nothing is clipped.

    >>> MinMax()(np.array([3.0, -1.0, 0.5], dtype=np.float32), bits=4)
    Bounds(lower=-1.0, upper=3.0)
    """

    def __call__(self, values: Values, bits: int) -> Bounds:
        """Minimum and maximum; `bits` does not matter."""
        del bits
        low, high = (float(values.min()), float(values.max())) if values.size else (math.nan, math.nan)
        _checked(low, high)
        return spanning(low, high)


@dataclass(frozen=True)
class Percentile:
    """Low and high percentiles of the values (Li et al. 2019), linear between neighbours.

    `tail` is what is cut at each end, in percent. The published rows do not state theirs (methods.md, section 3).

    >>> Percentile(tail=25.0)(np.arange(5, dtype=np.float32), bits=4)
    Bounds(lower=1.0, upper=3.0)
    """

    tail: float = 0.1

    def __post_init__(self) -> None:
        if not 0.0 <= self.tail < 50.0:
            raise SpecError(f"a tail of {self.tail} % was asked for; choose 0 to below 50.")

    def __call__(self, values: Values, bits: int) -> Bounds:
        """The two percentiles; `bits` does not matter."""
        del bits
        ordered = _sorted(values)
        position = (ordered.size - 1) * self.tail / 100.0
        return spanning(_between(ordered, position), _between(ordered, ordered.size - 1 - position))


def _between(ordered: Values, position: float) -> float:
    below = int(position)
    above = min(below + 1, ordered.size - 1)
    return float(ordered[below]) + (position - below) * (float(ordered[above]) - float(ordered[below]))


@dataclass(frozen=True)
class TwoSidedMse:
    """DOBI of 2DQuant, algorithm 1, for bell-shaped tensors: both bounds move inwards in K equal steps.

    Candidate i of `candidates` = K is ``l = m + i (M - m) / 2K, u = M - i (M - m) / 2K``; the first with the least
    squared error wins (the printed algorithm's `<=` and its growing upper bound are misprints, methods.md 5.2). Exact
    over the candidates, in one sort instead of K passes.
    """

    candidates: int = 100

    def __call__(self, values: Values, bits: int) -> Bounds:
        """The candidate with the least sum of squared rounding and clipping errors."""
        ordered = _sorted(values)
        return _best(ordered, bits, *self.grid(float(ordered[0]), float(ordered[-1])))

    def grid(self, low: float, high: float) -> tuple[Float64[np.ndarray, " k"], Float64[np.ndarray, " k"]]:
        """Lower and upper bounds of all candidates for values from `low` to `high`."""
        shrink = np.arange(self.candidates) * ((high - low) / (2 * self.candidates))
        return low + shrink, high - shrink


@dataclass(frozen=True)
class OneSidedMse:
    """DOBI for tensors bounded below (attention maps, GELU outputs): only the upper bound moves, ``u = M - i (M - m)
    / K``."""

    candidates: int = 100

    def __call__(self, values: Values, bits: int) -> Bounds:
        """The candidate with the least sum of squared errors; the lower bound stays the minimum."""
        ordered = _sorted(values)
        return _best(ordered, bits, *self.grid(float(ordered[0]), float(ordered[-1])))

    def grid(self, low: float, high: float) -> tuple[Float64[np.ndarray, " k"], Float64[np.ndarray, " k"]]:
        """Lower and upper bounds of all candidates for values from `low` to `high`."""
        return np.full(self.candidates, low), high - np.arange(self.candidates) * ((high - low) / self.candidates)


def squared_errors(
    ordered: Values, bits: int, lower: Float64[np.ndarray, " k"], upper: Float64[np.ndarray, " k"]
) -> Float64[np.ndarray, " k"]:
    """Sum of squared quantization errors of sorted values for K pairs of bounds, in one pass over the values.

    Between two neighbouring decision thresholds every value goes to one level q and adds ``x^2 - 2 q x + q^2``, so a
    candidate needs only counts and sums of x between its thresholds: positions by bisection, sums by one reduction
    over the positions of all candidates together. Cost O(N + K 2^b log N) after the sort. Double precision; a value
    on a threshold is equally far from both levels, so the rounding rule does not matter.

    Shapes: `ordered` (N,) ascending, bounds (K,), result (K,). Units: those of the values, squared.

    >>> squared_errors(np.array([0.0, 0.4, 1.0], np.float32), 2, np.array([0.0]), np.array([3.0])).round(6).tolist()
    [0.16]
    """
    energy = float(np.einsum("i,i->", ordered, ordered, dtype=np.float64))
    errors: Float64[np.ndarray, " k"] = energy + _errors_less_energy(ordered, bits, lower, upper)
    return errors


def _errors_less_energy(
    ordered: Values, bits: int, lower: Float64[np.ndarray, " k"], upper: Float64[np.ndarray, " k"]
) -> Float64[np.ndarray, " k"]:
    top = (1 << bits) - 1
    return errors_of_levels(ordered, lower[:, None] + ((upper - lower) / top)[:, None] * np.arange(top + 1))


def errors_of_levels(ordered: Values, levels: Float64[np.ndarray, "k levels"]) -> Float64[np.ndarray, " k"]:
    """Squared errors of sorted values on K sets of ascending levels, less the sum of x^2, which is the same for all.

    >>> errors_of_levels(np.array([0.0, 0.4, 1.0], np.float32), np.array([[0.0, 1.0], [0.0, 0.5]])).round(6).tolist()
    [-1.0, -0.9]
    """
    thresholds = (levels[:, 1:] + levels[:, :-1]) / 2.0
    cuts = np.searchsorted(ordered, thresholds.astype(np.float32).ravel()).reshape(thresholds.shape)
    edges = np.zeros((len(levels), 1), dtype=cuts.dtype)
    cuts = np.concatenate([edges, cuts, edges + ordered.size], axis=1)
    counts = np.diff(cuts, axis=1)
    sums = np.diff(_prefix_sums_at(ordered, cuts), axis=1)
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


def _best(ordered: Values, bits: int, lower: Float[np.ndarray, " k"], upper: Float[np.ndarray, " k"]) -> Bounds:
    if ordered[0] == ordered[-1]:
        return spanning(float(ordered[0]), float(ordered[-1]))
    winner = int(np.argmin(_errors_less_energy(ordered, bits, lower, upper)))
    return spanning(float(lower[winner]), float(upper[winner]))
