"""Arithmetic of lengths that are known at several sizes of picture."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

from intaglio.lower.align import Shape, Side


def plus(a: Side, b: Side) -> Side:
    """The sum of two lengths."""
    return tuple(x + y for x, y in zip(a, b, strict=True))


def prod_of(shape: Iterable[Side]) -> Side:
    """The number of values, at each size."""
    columns = list(zip(*shape, strict=True))
    return tuple(prod(column) for column in columns)


def broadcast(a: Shape, b: Shape) -> Shape:
    """The shape of a function of two values."""
    rank = max(len(a), len(b))
    ones = ((1,) * len((a or b)[0]),) if rank else ()
    left, right = ones * (rank - len(a)) + a, ones * (rank - len(b)) + b
    return tuple(y if all(side == 1 for side in x) else x for x, y in zip(left, right, strict=True))
