"""Learning parameters of a quantized student against its float teacher: the loop, seeded and resumable.

What is minimised is an `Objective`, what is learned and when are `Group`s; the loop knows neither of the two.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from intaglio import ranks
from intaglio.distill.config import Loop
from intaglio.distill.learned import Group
from intaglio.distill.state import Checkpoint, fingerprint
from intaglio.distill.taps import tapped
from intaglio.distill.teacher import CACHE_BYTES, Target, Teacher
from intaglio.errors import CalibrationError
from intaglio.quant import QuantModel

CHECKPOINT_EVERY = 25

_LOGGER = logging.getLogger(__name__)

OnStep = Callable[[int, float], None]
"""Called after each step with its number, from 1, and its loss."""


@runtime_checkable
class Objective(Protocol):
    """A loss between a student and its teacher."""

    @property
    def taps(self) -> tuple[str, ...]:
        """Names of the submodules, in student and teacher alike, whose outputs the loss looks at."""
        ...

    @property
    def divisible(self) -> bool:
        """Whether processes may share out a batch: its loss is then taken for the mean of those of the parts, which is
        exact for a mean over samples."""
        ...

    def __call__(self, output: Tensor, features: Sequence[Tensor], target: Target) -> Tensor:
        """The loss of a batch, a scalar, from the student's output and its features in the order of `taps`."""
        ...


def learn(
    student: QuantModel,
    teacher: nn.Module,
    patches: Float[Tensor, "n c h w"],
    objective: Objective,
    groups: Sequence[Group],
    loop: Loop,
    settings: Mapping[str, object],
    *,
    checkpoint: Path | None = None,
    on_step: OnStep = lambda step, loss: None,
) -> tuple[float, ...]:
    """Learn the parameters of `groups` by Adam so that the student answers as its teacher does; returns all losses.

    No HR picture is used. With `checkpoint`, the state is written every few steps and a run that finds one goes on
    from it: the result is that of an uninterrupted run, bit for bit, on the same machine. `settings` (JSON values)
    identify the run.

    Processes of one calibration (`intaglio.ranks`) share each batch and add up their gradients: the batches are those
    of one process. A loss is then the mean of those of the parts, weighted by their sizes; an objective that is not
    `divisible` is computed on the whole batch by each process. The first process keeps the state.

    Shapes: patches (N, C, H, W) in [0, 1].
    Raises: CalibrationError if the loss is not finite (remedy: a smaller learning rate) or a site has no quantizer.
    """
    student.require_calibrated()
    parameters = [{"params": [group.vector.values]} for group in groups]
    optimizer = torch.optim.Adam(parameters, lr=1.0, betas=(loop.beta1, loop.beta2), eps=loop.epsilon)
    identity = fingerprint(settings, patches, torch.cat([group.vector.start for group in groups]))
    losses = _restore(checkpoint, identity, groups, optimizer)
    # What is drawn once is not worth keeping.
    again = loop.iterations * loop.batch > len(patches)
    shared = ranks.count() > 1 and objective.divisible
    kept = checkpoint if ranks.is_first() else None
    if shared and loop.batch < ranks.count():
        _LOGGER.warning(
            "%d processes share batches of %d crops: some have none; set batch=%d.",
            ranks.count(), loop.batch, ranks.count(),
        )  # fmt: skip
    targets = Teacher(teacher, patches, objective.taps, CACHE_BYTES if again else 0)
    with tapped(student.network, objective.taps) as features:
        for step, indices in _batches(loop, len(patches), start=len(losses)):
            active = _set_rates(optimizer, groups, step)
            own = indices[ranks.own_slice(len(indices))] if shared else indices
            share = len(own) / len(indices)
            loss = torch.zeros((), device=student.device)
            if share:
                output = student(patches[own])
                found = objective(output, [features[name] for name in objective.taps], targets.targets(own))
                found.backward()  # type: ignore[no-untyped-call]
                loss = share * found.detach()
            losses.append(float(ranks.total(loss) if shared else loss))
            if not math.isfinite(losses[-1]):
                raise CalibrationError(f"the loss at step {step + 1} is {losses[-1]}; choose a smaller learning rate.")
            for group in active:
                group.vector.take_gradient()
                if shared:
                    assert group.vector.values.grad is not None
                    ranks.total(group.vector.values.grad.mul_(share))
            optimizer.step()
            optimizer.zero_grad()
            on_step(step + 1, losses[-1])
            if kept is not None and ((step + 1) % CHECKPOINT_EVERY == 0 or step + 1 == loop.iterations):
                values = torch.cat([group.vector.values.detach() for group in groups])
                Checkpoint(identity, step + 1, values, optimizer.state_dict(), tuple(losses)).save(kept)
    for group in groups:
        group.vector.write()
        group.vector.listen(False)
    return tuple(losses)


def _restore(path: Path | None, identity: str, groups: Sequence[Group], optimizer: torch.optim.Adam) -> list[float]:
    if path is None or not path.exists():
        return []
    saved = Checkpoint.load(path, identity)
    sizes = [group.vector.values.numel() for group in groups]
    with torch.no_grad():
        for group, values in zip(groups, torch.split(saved.values, sizes), strict=True):
            group.vector.values.copy_(values)
    optimizer.load_state_dict(saved.optimizer)
    return list(saved.losses)


def _batches(loop: Loop, pool: int, start: int) -> Iterator[tuple[int, Int[Tensor, " b"]]]:
    """Steps from `start` with the patches of each: a function of the seed and the step only, so that a run can resume.

    The pool is shuffled anew for each pass; a batch may reach over the end of a pass into the next.
    """

    def order(epoch: int) -> Int[Tensor, " n"]:
        generator = torch.Generator().manual_seed(loop.seed * 1_000_003 + epoch)
        return torch.randperm(pool, generator=generator)

    for step in range(start, loop.iterations):
        first = step * loop.batch
        positions = range(first, first + loop.batch)
        shuffled = {epoch: order(epoch) for epoch in {position // pool for position in positions}}
        yield step, torch.stack([shuffled[position // pool][position % pool] for position in positions])


def _set_rates(optimizer: torch.optim.Adam, groups: Sequence[Group], step: int) -> list[Group]:
    """Write all values into the model and set the learning rates of this step; returns the groups that learn."""
    active = []
    for group, settings in zip(groups, optimizer.param_groups, strict=True):
        rate = group.rate(step)
        group.vector.write()
        group.vector.listen(rate is not None)
        if rate is not None:
            settings["lr"] = rate
            active.append(group)
    return active
