"""Passes at several sizes laid on one another: the same calls, with each number that follows from the size as a vector.

A network that does something else at another size (it pads to whole windows, say) shows as passes that are unlike. The
smallest multiple at which all passes are alike is found by trial; that padding itself is `frame.py`'s affair.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from intaglio.errors import LoweringError
from intaglio.lower.trace import Call, Fixed, Place, Ref, Trace, UnlikeError, trace
from intaglio.spec import SiteName

Side = tuple[int, ...]
"""The length of an axis at each of the sizes."""

Shape = tuple[Side, ...]

LEAST = 24
"""In pixels: no pass is smaller, so that kernels, pools and mirrored borders fit."""

REFERENCES = (((192, 128), (3, 5, 7)), ((240, 144), (5, 7, 11)), ((384, 576), (3, 5, 7)), ((280, 420), (3, 11, 13)))
"""Sizes that are whole multiples of all usual windows, and primes that make smaller sizes of their divisors."""


@dataclass(frozen=True)
class Constant:
    """A tensor that does not depend on the picture's values, at each of the sizes, and the weight site it went
    through."""

    tensors: tuple[Tensor, ...]
    site: SiteName | None = None

    @property
    def fixed(self) -> bool:
        """Whether it does not depend on the size either."""
        first = self.tensors[0]
        return all(x is first or (x.shape == first.shape and torch.equal(x, first)) for x in self.tensors[1:])


class Varying(tuple[int | float, ...]):
    """A number of a call that follows from the picture's size: its value at each of the sizes."""


@dataclass(frozen=True)
class AlignedCall:
    """One operator at all sizes: as `Call`, but tensors are `Constant` and numbers that differ are `Varying`."""

    op: str
    args: Mapping[str, Any]
    outputs: tuple[int, ...]
    shapes: tuple[Shape, ...]
    place: Place


@dataclass(frozen=True)
class Aligned:
    """One network at several sizes, whose sides are whole multiples of `multiple`."""

    sizes: tuple[tuple[int, int], ...]
    multiple: int
    calls: tuple[AlignedCall, ...]
    result: int


class SizeError(LoweringError):
    """A number of a network that programs cannot have at pictures of these multiples; at others they may."""


_REFUSALS = (RuntimeError, ValueError, AssertionError, IndexError, ZeroDivisionError)
"""What networks raise for pictures of sizes that they do not take."""


def alignments(network: nn.Module, channels: int, likely: int | None = None) -> Iterator[Aligned]:
    """The passes of a network at three sizes, for each multiple at which they are alike, the smallest first.

    `likely`, a multiple that is known to do or told by the network, is tried before all others: each trial takes
    seconds.

    Raises: LoweringError if there is no such size, or for what `trace` refuses.
    """
    problem: Exception | None = None
    found = False
    for reference, primes in REFERENCES:
        with _quiet():
            try:
                first = trace(network, channels, reference)
            except _REFUSALS as error:
                problem = problem or error
                continue
        multiples = [n for n in range(1, min(reference) + 1) if not (reference[0] % n or reference[1] % n)]
        for multiple in sorted(multiples, key=lambda one: (one != likely, one)):
            one = _at(network, channels, first, multiple, primes)
            if one is not None:
                found = True
                yield one
    if found:
        return
    if problem is not None:
        raise LoweringError(f"the network refuses pictures of {REFERENCES[0][0]} pixels ({problem}).") from problem
    raise LoweringError(
        "the network computes something else at every size that was tried, also at multiples of 64 and 48; wrap it in a"
        " module that pads to whole windows."
    )


def _at(network: nn.Module, channels: int, first: Trace, multiple: int, primes: tuple[int, int, int]) -> Aligned | None:
    """The pass at the reference's size with those at two smaller multiples, None where they are unlike."""
    traces = [first]
    with _quiet():
        try:
            for size in _sizes(multiple, primes):
                traces.append(trace(network, channels, size, _Lockstep(first)))
        except (UnlikeError, *_REFUSALS):
            return None
    alike = all((one.result, len(one.calls)) == (first.result, len(first.calls)) for one in traces)
    return _merge(traces, multiple) if alike else None


@contextmanager
def _quiet() -> Iterator[None]:
    """Without torch's own report of shapes that do not fit, which is part of trying."""
    logger = logging.getLogger("torch._subclasses.fake_tensor")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


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


class _Lockstep:
    """Stops a pass as soon as it calls something else than the first one did."""

    def __init__(self, first: Trace) -> None:
        self._calls = iter(first.calls)

    def __call__(self, call: Call) -> None:
        other = next(self._calls, None)
        if other is None or (call.op, call.place) != (other.op, other.place):
            raise UnlikeError
        for name, value in call.args.items():
            _check_alike(value, other.args[name], exact="pad" in call.op)


def _check_alike(value: Any, other: Any, *, exact: bool) -> None:
    if isinstance(value, Ref) or isinstance(other, Ref):
        if value != other:
            raise UnlikeError
    elif isinstance(value, Fixed) or isinstance(other, Fixed):
        if not (isinstance(value, Fixed) and isinstance(other, Fixed)) or value.tensor.dim() != other.tensor.dim():
            raise UnlikeError
    elif isinstance(value, tuple) and isinstance(other, tuple):
        if len(value) != len(other):
            raise UnlikeError
        for one, two in zip(value, other, strict=True):
            _check_alike(one, two, exact=exact)
    elif value != other and (exact or not (_is_number(value) and _is_number(other))):
        raise UnlikeError


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _merge(traces: list[Trace], multiple: int) -> Aligned:
    calls = []
    for row in zip(*(one.calls for one in traces), strict=True):
        first = row[0]
        args = {name: _merged([call.args[name] for call in row]) for name in first.args}
        shapes = tuple(
            tuple(tuple(sides) for sides in zip(*(call.shapes[index] for call in row), strict=True))
            for index in range(len(first.shapes))
        )
        calls.append(AlignedCall(first.op, args, first.outputs, shapes, first.place))
    return Aligned(tuple(one.size for one in traces), multiple, tuple(calls), traces[0].result)


def _merged(values: list[Any]) -> Any:
    first = values[0]
    if isinstance(first, Fixed):
        return Constant(tuple(value.tensor for value in values), first.site)
    if isinstance(first, tuple):
        return tuple(_merged(list(column)) for column in zip(*values, strict=True))
    if _is_number(first) and any(value != first for value in values):
        return Varying(values)
    return first
