"""The sizes of picture at which a network is run, until its passes are alike.

At multiples of nothing (`ragged.py`), which serves convolutional networks and those that pad between their layers; at
ever larger multiples for the others. What pads a picture to these is decided in `padding.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from intaglio.errors import LoweringError
from intaglio.lower.align import REFUSALS, Aligned, laid, quiet
from intaglio.lower.ragged import picture_multiple, ragged
from intaglio.lower.trace import Trace, trace

LEAST = 24
"""In pixels: no pass is smaller, so that kernels, pools and mirrored borders fit."""

REFERENCES = (((192, 128), (3, 5, 7)), ((240, 144), (5, 7, 11)), ((384, 576), (3, 5, 7)), ((280, 420), (3, 11, 13)))
"""Sizes that are whole multiples of all usual windows, and primes that make smaller sizes of their divisors."""


class _Reference:
    """One of `REFERENCES`: a pass at a whole multiple of much, run once, beside passes at smaller sizes."""

    def __init__(self, network: nn.Module, channels: int, size: tuple[int, int], primes: tuple[int, int, int]) -> None:
        self.multiples = [n for n in range(2, min(size) + 1) if not (size[0] % n or size[1] % n)]
        self.refusal: Exception | None = None
        self._network, self._channels, self._size, self._primes = network, channels, size, primes
        self._first: Trace | None = None
        self._tried: set[int] = set()

    def at(self, multiple: int) -> Iterator[Aligned]:
        """The pass at the size with those at two smaller multiples; nothing where they are unlike, or known."""
        if multiple not in self.multiples or multiple in self._tried:
            return
        self._tried.add(multiple)
        first = self._pass()
        if first is None:
            return
        found = laid(self._network, self._channels, first, _sizes(multiple, self._primes), multiple)
        if found is not None:
            yield found

    def _pass(self) -> Trace | None:
        if self._first is None and self.refusal is None:
            try:
                with quiet():
                    self._first = trace(self._network, self._channels, self._size)
            except REFUSALS as error:
                self.refusal = error
        return self._first


def alignments(network: nn.Module, channels: int, likely: int = 1) -> Iterator[Aligned]:
    """The passes of a network at several sizes, for each multiple at which they are alike, the smallest first.

    `likely`, a multiple that is known to do or told by the network, is tried before all others: each trial takes
    seconds. One to which the network is seen to pad the picture itself is tried next.

    Raises: LoweringError if there is no such size, or for what `trace` refuses.
    """
    references = [_Reference(network, channels, size, primes) for size, primes in REFERENCES]
    alike = False
    for found in _in_order(network, channels, references, likely):
        alike = True
        yield found
    if alike:
        return
    problem = references[0].refusal
    if problem is not None:
        raise LoweringError(f"the network refuses pictures of {REFERENCES[0][0]} pixels ({problem}).") from problem
    raise LoweringError(
        "the network computes something else at every size that was tried, also at multiples of 64 and 48; wrap it in a"
        " module that pads to whole windows."
    )


def _in_order(network: nn.Module, channels: int, references: list[_Reference], likely: int) -> Iterator[Aligned]:
    for reference in references:
        yield from reference.at(likely)
    inside = ragged(network, channels)
    told = None if inside is None else picture_multiple(inside)
    if inside is not None and told is None:
        yield inside
    for reference in references:
        yield from reference.at(told or likely)
    for reference in references:
        for multiple in reference.multiples:
            yield from reference.at(multiple)


def _sizes(multiple: int, primes: tuple[int, int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Two sizes of different odd multiples, so that they are not multiples of more."""
    base = 1
    while multiple * primes[0] * base < LEAST:
        base += 2
    if base > 1:  # prime multiples again
        primes = tuple(_primes_from(-(-LEAST // multiple)))  # type: ignore[assignment]
    small, middle, large = (multiple * prime for prime in primes)
    return (small, middle), (large, small)


def _primes_from(start: int) -> Iterator[int]:
    found, candidate = 0, max(start, 5)
    while found < 3:
        if all(candidate % divisor for divisor in range(2, int(candidate**0.5) + 1)):
            found += 1
            yield candidate
        candidate += 1
