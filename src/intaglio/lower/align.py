"""Passes at several sizes laid on one another: the same calls, with each number that follows from the size as a vector.

A network that does something else at another size (it pads to whole windows, say) shows as passes that are unlike. The
sizes to try are decided in `passes.py`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
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
    """One network at several sizes, whose sides are whole multiples of `multiple`.

    `inside` are the multiples to which it rounds sides up itself, between its layers (see `ragged.py`).
    """

    sizes: tuple[tuple[int, int], ...]
    multiple: int
    calls: tuple[AlignedCall, ...]
    result: int
    inside: tuple[int, ...] = ()


class SizeError(LoweringError):
    """A number of a network that programs cannot have at pictures of these multiples; at others they may."""


REFUSALS = (RuntimeError, ValueError, AssertionError, IndexError, ZeroDivisionError)
"""What networks raise for pictures of sizes that they do not take."""


def aligned(network: nn.Module, channels: int, sizes: Sequence[tuple[int, int]], multiple: int) -> Aligned | None:
    """The passes at these sizes, None where they are unlike or the network refuses one.

    With `multiple` 1 they may pad by different amounts.
    """
    with quiet():
        try:
            first = trace(network, channels, sizes[0])
        except REFUSALS:
            return None
    return laid(network, channels, first, sizes[1:], multiple)


def laid(
    network: nn.Module, channels: int, first: Trace, sizes: Sequence[tuple[int, int]], multiple: int
) -> Aligned | None:
    """`aligned`, where the pass at the first size is known."""
    traces = [first]
    with quiet():
        try:
            for size in sizes:
                traces.append(trace(network, channels, size, _Lockstep(first, varying_pads=multiple == 1)))
        except (UnlikeError, *REFUSALS):
            return None
    alike = all((one.result, len(one.calls)) == (first.result, len(first.calls)) for one in traces)
    return _merge(traces, multiple) if alike else None


@contextmanager
def quiet() -> Iterator[None]:
    """Without torch's own report of shapes that do not fit, which is part of trying."""
    logger = logging.getLogger("torch._subclasses.fake_tensor")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


class _Lockstep:
    """Stops a pass as soon as it calls something else than the first one did, or pads by something else."""

    def __init__(self, first: Trace, *, varying_pads: bool) -> None:
        self._calls = iter(first.calls)
        self._varying_pads = varying_pads

    def __call__(self, call: Call) -> None:
        other = next(self._calls, None)
        if other is None or (call.op, call.place) != (other.op, other.place):
            raise UnlikeError
        for name, value in call.args.items():
            _check_alike(value, other.args[name], exact="pad" in call.op and not self._varying_pads)


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
