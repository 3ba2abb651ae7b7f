"""What identifies a training run, and its learning rate over the steps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from intaglio.errors import SpecError

HALVINGS = (0.5, 0.8, 0.9, 0.95)
"""Shares of the run at which the multi-step schedule halves the rate: SwinIR's 250, 400, 450, 475 of 500 thousand."""


class Schedule(StrEnum):
    """How the learning rate runs over the steps."""

    COSINE = "cosine"
    MULTI_STEP = "multi-step"

    def factor(self, step: int, steps: int) -> float:
        """The rate of a step, counted from 0, over the first rate.

        >>> Schedule.MULTI_STEP.factor(80, 100), Schedule.COSINE.factor(50, 100)
        (0.25, 0.5)
        """
        if self is Schedule.MULTI_STEP:
            return 0.5 ** sum(step >= share * steps for share in HALVINGS)
        return round(0.5 * (1.0 + math.cos(math.pi * step / steps)), 15)


@dataclass(frozen=True)
class Settings:
    """A training run. Units: `patch` LR pixels; `average` is the decay of the weight average for each step.

    Raises: SpecError for numbers that make no sense.
    """

    network: str
    scale: int
    steps: int = 200_000
    batch: int = 32
    patch: int = 64
    learning_rate: float = 4e-4
    schedule: Schedule = Schedule.COSINE
    average: float = 0.999
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.steps, self.batch, self.patch) < 1 or self.learning_rate <= 0.0 or not 0.0 <= self.average < 1.0:
            raise SpecError(f"{self} cannot be trained; give positive numbers and an average below 1.")

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        return self.learning_rate * self.schedule.factor(step, self.steps)
