"""Quantization-aware training: weights, biases and all clipping bounds learn through the package's own quantizers.

L1 against HR pictures, Adam, constant rates; in the manner of PACT, LSQ and PAMS. When it stops is a matter of what it
is compared with: see `Stop`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import l1_loss

from intaglio.distill import StepUnit, bounds_vector
from intaglio.errors import CalibrationError, SpecError
from intaglio.quant import QuantModel

from .pairs import Pairs, draw


@dataclass(frozen=True)
class Spent:
    """Time that work took. Units: seconds of wall clock; seconds of processor, all threads together."""

    wall: float
    processor: float

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.wall + other.wall, self.processor + other.processor)

    def __sub__(self, other: Spent) -> Spent:
        return Spent(self.wall - other.wall, self.processor - other.processor)


Clock = Callable[[], Spent]


def now() -> Spent:
    """What both clocks show; differences mean something."""
    return Spent(time.perf_counter(), time.process_time())


@dataclass(frozen=True)
class Settings:
    """Hyper-parameters of the training. Units: `patch` LR pixels; `bound_rate` of the range that a bound starts with.

    Batch, crops and `weight_rate` are those of PAMS's released code at x4. Raises: SpecError for numbers that make no
    sense.
    """

    batch: int = 16
    patch: int = 48
    weight_rate: float = 1e-4
    bound_rate: float = 1e-3
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.batch, self.patch) < 1 or min(self.weight_rate, self.bound_rate) < 0.0:
            raise SpecError(f"{self} cannot be trained; give positive numbers.")


class Learner:
    """Adam on everything that a quantized model holds: weights and biases in their own units, bounds in their ranges.

    Gradients pass rounding straight through, and go to a bound as `intaglio.quant.affine` derives them.
    """

    def __init__(self, model: QuantModel, settings: Settings) -> None:
        model.require_calibrated()
        self.model = model
        self.bounds = bounds_vector(model, StepUnit.RELATIVE)
        bounds = {id(bound) for bound in self.bounds.parameters}
        self.weights = [one for one in model.parameters() if id(one) not in bounds]
        for weight in self.weights:
            weight.requires_grad_(True)
        self.bounds.listen(True)
        groups = [
            {"params": self.weights, "lr": settings.weight_rate},
            {"params": [self.bounds.values], "lr": settings.bound_rate},
        ]
        self.optimizer = torch.optim.Adam(groups)

    def step(self, lr: Float[Tensor, "b 3 h w"], hr: Float[Tensor, "b 3 H W"]) -> float:
        """One update; returns the loss in grey levels. Raises: CalibrationError if it is not finite."""
        loss = l1_loss(self.model(lr), hr)
        if not torch.isfinite(loss):
            raise CalibrationError(f"the loss is {loss.item()}; choose smaller rates.")
        loss.backward()  # type: ignore[no-untyped-call]
        self.bounds.take_gradient()
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.bounds.write()
        return 255.0 * loss.item()


@dataclass(frozen=True)
class Point:
    """The training as it stood after `step` updates: what it had cost by then, PSNR-Y on held-out pictures in dB."""

    step: int
    spent: Spent
    psnr_y: float


@dataclass(frozen=True)
class Stop:
    """When to end: as soon as `target` dB was reached *and* `least` seconds are spent, or after `budget` seconds.

    With another method's PSNR and time, one run answers two questions: what the same PSNR costs, and what the same time
    buys. Seconds are of the processor: others' work on the machine does not lengthen them much.
    """

    target: float
    least: float
    budget: float

    def ends(self, spent: Spent, points: Sequence[Point]) -> bool:
        """Whether a run that has come so far is over."""
        reached = first_at(points, self.target) is not None
        return spent.processor >= self.budget or (reached and spent.processor >= self.least)


def first_at(points: Sequence[Point], target: float) -> Point | None:
    """The first point of at least `target` dB."""
    return next((point for point in points if point.psnr_y >= target), None)


def train(
    learner: Learner,
    pairs: Pairs,
    settings: Settings,
    validate: Callable[[], float],
    stop: Stop,
    every: int,
    *,
    spent: Spent,
    clock: Clock = now,
    on_point: Callable[[Point], None] = lambda point: None,
) -> tuple[Point, ...]:
    """Train until `stop`, validating before the first, after every `every`-th and after the last step.

    `spent` is what the start has cost; the time of validations is not counted.
    """
    points: list[Point] = []

    def look() -> None:
        points.append(Point(step, spent, validate()))
        on_point(points[-1])

    step = 0
    look()
    while not stop.ends(spent, points):
        began = clock()
        learner.step(*draw(pairs, settings.batch, settings.patch, settings.seed, step))
        spent += clock() - began
        step += 1
        if step % every == 0:
            look()
    if points[-1].step != step:
        look()
    return tuple(points)
