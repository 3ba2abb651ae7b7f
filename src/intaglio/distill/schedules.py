"""Learning rates over the steps of a run, as functions of the step."""

from __future__ import annotations

import math
from enum import StrEnum

from intaglio.distill.learned import Rate


class Schedule(StrEnum):
    """How the learning rate runs over the iterations."""

    COSINE = "cosine"
    """From the start value to zero along half a cosine (the paper)."""
    CONSTANT = "constant"
    """The start value throughout (what the released schedule amounts to: its step at 10,000 is never reached)."""

    def rate(self, first: float, steps: int) -> Rate:
        """The schedule over `steps` steps from the rate `first`.

        >>> Schedule.COSINE.rate(2.0, steps=2)(1)
        1.0
        """
        return cosine(first, 0.0, 0, steps) if self is Schedule.COSINE else lambda step: first


def cosine(first: float, last: float, begin: int, steps: int) -> Rate:
    """Half a cosine from `first` towards `last` over `steps` steps from step `begin` on; rests before and after.

    >>> rate = cosine(1.0, 0.5, begin=10, steps=2)
    >>> [rate(step) for step in (9, 10, 11, 12)]
    [None, 1.0, 0.75, None]
    """

    def rate(step: int) -> float | None:
        if not begin <= step < begin + steps:
            return None
        return last + (first - last) * (0.5 * (1.0 + math.cos(math.pi * (step - begin) / steps)))

    return rate


def cyclic(first: float, decay: float, updates: int, turn: int, turns: int) -> Rate:
    """Epochs of `updates` steps of which every `turns`-th, from epoch `turn` on, trains this group.

    The rate falls by the factor `decay` after each epoch in which the group was trained.

    >>> rate = cyclic(1.0, decay=0.5, updates=1, turn=1, turns=3)
    >>> [rate(step) for step in range(5)]
    [None, 1.0, None, None, 0.5]
    """

    def rate(step: int) -> float | None:
        epoch = step // updates
        return first * decay ** (epoch // turns) if epoch % turns == turn else None

    return rate
