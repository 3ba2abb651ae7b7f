"""The distribution of a tensor that comes in parts, by counts and sums in fine bins: memory does not grow with it.

The native kernel counts where the extension is built, numpy otherwise.
"""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from intaglio import ranks
from intaglio.observe.distribution import Levels, checked, errors_between
from intaglio.quant.fused import native

BINS = 1 << 15
"""Bins of a histogram: at least half as many cover the range of its values."""


class Histogram:
    """Counts and sums of values in bins whose width is a power of two; zero is always an edge.

    Decision thresholds are moved to the nearest edge, by half a bin at most. So a value goes to the wrong one of two
    neighbouring levels only if it lies that near to the threshold, and then its squared error grows by no more than the
    distance of the levels times the width of a bin. Everything else is exact: sums are those of the values themselves.
    Ends are exact, percentiles to the width of a bin. That width is at most ``2 / (BINS - 1)`` of the range.

    Bins are merged in pairs as the range grows. Memory: 16 bytes a bin. Raises: CalibrationError for a value that is
    not finite, or where there is none.
    """

    def __init__(self) -> None:
        self._bins = np.zeros((BINS, 2))
        self._exponent: int | None = None
        self._first = 0
        self._low, self._high = math.inf, -math.inf
        self._zeros = 0

    @classmethod
    def of(cls, values: Float[Tensor, ...]) -> Histogram:
        """That of one tensor."""
        found = cls()
        found.add(values)
        return found

    def add(self, values: Float[Tensor, ...]) -> None:
        """Count the values of a tensor of any shape."""
        flat = values.detach().to("cpu", torch.float32).contiguous().view(-1)
        low, high = (float(end) for end in torch.aminmax(flat)) if flat.numel() else (math.nan, math.nan)
        checked(low, high)
        self._reach(min(low, self._low), max(high, self._high))
        self._zeros += self._tally(flat)
        self.__dict__.pop("_sums", None)

    def merge(self) -> None:
        """Add what the histograms of all processes of this calibration have counted (`intaglio.ranks`); each then has
        all. Counts are those of one process that saw everything, sums too but for the order of their additions.

        A process that saw nothing may take part; one of all must have seen something.
        """
        if ranks.count() == 1:
            return
        low, high = ranks.lowest(self._low), ranks.highest(self._high)
        checked(low, high)
        self._reach(low, high)
        zeros = ranks.total(torch.tensor(self._zeros, dtype=torch.int64))
        ranks.total(torch.from_numpy(self._bins))
        self._zeros = int(zeros)
        self.__dict__.pop("_sums", None)

    @property
    def low(self) -> float:
        """The least value."""
        checked(self._low, self._high)
        return self._low

    @property
    def high(self) -> float:
        """The greatest value."""
        checked(self._low, self._high)
        return self._high

    @property
    def width(self) -> float:
        """Of a bin, in the units of the values."""
        assert self._exponent is not None, "a histogram without values has no bins"
        return math.ldexp(1.0, self._exponent)

    @property
    def zero_share(self) -> float:
        """Share of values that are exactly zero."""
        return self._zeros / float(self._sums[-1, 1])

    def percentile(self, share: float) -> float:
        """The value below which `share` percent of the values lie, to the width of a bin."""
        before = self._sums[:, 1]
        position = before[-1] * share / 100.0
        place = min(int(np.searchsorted(before, position, side="right")) - 1, BINS - 1)
        inside = (position - before[place]) / max(self._bins[place, 1], 1.0)
        found = (self._first + place + float(inside)) * self.width
        return min(max(found, self.low), self.high)

    def errors_of_levels(self, levels: Levels) -> Float64[np.ndarray, " k"]:
        """Squared errors of the values on K sets of ascending levels, less the sum of x^2: never below the exact ones,
        and above them as the class says.

        >>> values = torch.tensor([0.0, 0.4, 1.0])
        >>> Histogram.of(values).errors_of_levels(np.array([[0.0, 1.0], [0.0, 0.5]])).round(6).tolist()
        [-1.0, -0.9]
        """
        thresholds = (levels[:, 1:] + levels[:, :-1]) / 2.0
        places = np.rint(thresholds / self.width) - self._first
        cuts = np.empty((len(levels), levels.shape[1] + 1), dtype=np.intp)
        cuts[:, 0], cuts[:, -1] = 0, BINS
        np.clip(places, 0, BINS, out=cuts[:, 1:-1], casting="unsafe")
        sums = np.diff(self._sums[cuts], axis=1)
        return errors_between(levels, sums[..., 1], sums[..., 0])

    @cached_property
    def _sums(self) -> Float64[np.ndarray, "edges 2"]:
        """Sum and number of all values below each edge."""
        return np.concatenate([np.zeros((1, 2)), np.cumsum(self._bins, axis=0)])

    def _reach(self, low: float, high: float) -> None:
        """Widen the range to that from `low` to `high`, and the bins until they span it."""
        exponent = _least_exponent(low, high)
        if self._exponent is not None:
            exponent = max(exponent, self._exponent)
        while (first := _floor(low, exponent)) + BINS <= _floor(high, exponent):
            exponent += 1
        if self._exponent is not None and (exponent, first) != (self._exponent, self._first):
            places = ((self._first + np.arange(BINS)) >> (exponent - self._exponent)) - first
            used = np.flatnonzero(self._bins[:, 1])
            moved = np.zeros_like(self._bins)
            np.add.at(moved, places[used], self._bins[used])
            self._bins = moved
        self._exponent, self._first, self._low, self._high = exponent, first, low, high

    def _tally(self, flat: Float[Tensor, " n"]) -> int:
        """Count values within the range; returns how many are zero."""
        kernel, inverse = native(), 1.0 / self.width
        if kernel is not None:
            return int(kernel.tally(flat.numpy(), self._bins, inverse, float(self._first), torch.get_num_threads()))
        for part in torch.split(flat, 1 << 20):
            places = (torch.floor(part * inverse) - self._first).clamp_(0, BINS - 1).long().numpy()
            self._bins[:, 0] += np.bincount(places, part.numpy(), minlength=BINS)
            self._bins[:, 1] += np.bincount(places, minlength=BINS)
        return flat.numel() - int(torch.count_nonzero(flat))


def _floor(value: float, exponent: int) -> int:
    return math.floor(math.ldexp(value, -exponent))


def _least_exponent(low: float, high: float) -> int:
    """The least exponent that single precision bears: widths and values over widths stay normal numbers."""
    span = max(high - low, 2.0**-100, 2.0**-20 * max(abs(low), abs(high)))
    return math.frexp(span / BINS)[1] - 1
