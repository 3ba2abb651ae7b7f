"""Distillation-based calibration of all bounds (DQC of 2DQuant): the loop, seeded and resumable.

Losses are in `losses.py`, the published settings in `intaglio.methods.two_d_quant`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from intaglio.distill.bounds_vector import BoundsVector
from intaglio.distill.config import DistillConfig, FeatureLoss, OutputScale, Schedule
from intaglio.distill.losses import feature_loss, output_loss, released_feature_loss
from intaglio.distill.state import Checkpoint, fingerprint
from intaglio.distill.taps import tapped
from intaglio.distill.teacher import Target, Teacher
from intaglio.errors import CalibrationError
from intaglio.quant import QuantModel

CHECKPOINT_EVERY = 25

OnStep = Callable[[int, float], None]
"""Called after each step with its number, from 1, and its loss."""


def distill(
    student: QuantModel,
    teacher: nn.Module,
    patches: Float[Tensor, "n c h w"],
    config: DistillConfig,
    *,
    checkpoint: Path | None = None,
    on_step: OnStep = lambda step, loss: None,
) -> tuple[float, ...]:
    """Learn the bounds of a calibrated student so that it answers as its teacher does; returns the loss of every
    step.

    Weights stay as they are; no HR picture is used. With `checkpoint`, the state is written every few steps and a run
    that finds one goes on from it: the result is that of an uninterrupted run, bit for bit, on the same machine.

    Shapes: patches (N, C, H, W) in [0, 1]. Source: 2DQuant, section 3.3.
    Raises: CalibrationError if the loss is not finite (remedy: a smaller learning rate) or a site has no bounds.
    """
    student.require_calibrated()
    bounds = BoundsVector(student, config.step_unit)
    betas = (config.beta1, config.beta2)
    optimizer = torch.optim.Adam([bounds.values], lr=config.learning_rate, betas=betas, eps=config.epsilon)
    identity = fingerprint(config, patches, bounds.start)
    losses = _restore(checkpoint, identity, bounds, optimizer)
    taps = _taps(student.network) if config.feature_loss is not FeatureLoss.NONE else ()
    targets = Teacher(teacher, patches, taps)
    with tapped(student.network, taps) as features:
        for step, indices in _batches(config, len(patches), start=len(losses)):
            _set_rate(optimizer, config, step)
            bounds.write()
            target = targets.targets(indices)
            output = student(patches[indices])
            loss = _loss(config, output, [features[name] for name in taps], target)
            if not torch.isfinite(loss):
                raise CalibrationError(f"the loss at step {step + 1} is {loss.item()}; choose a smaller learning rate.")
            loss.backward()  # type: ignore[no-untyped-call]
            bounds.take_gradient()
            optimizer.step()
            losses.append(loss.item())
            on_step(step + 1, losses[-1])
            if checkpoint is not None and ((step + 1) % CHECKPOINT_EVERY == 0 or step + 1 == config.iterations):
                state = optimizer.state_dict()
                Checkpoint(identity, step + 1, bounds.values.detach(), state, tuple(losses)).save(checkpoint)
    bounds.write()
    return tuple(losses)


def _taps(network: nn.Module) -> tuple[str, ...]:
    names = getattr(network, "feature_taps", None)
    return tuple(names()) if callable(names) else ()


def _restore(path: Path | None, identity: str, bounds: BoundsVector, optimizer: torch.optim.Adam) -> list[float]:
    if path is None or not path.exists():
        return []
    saved = Checkpoint.load(path, identity)
    with torch.no_grad():
        bounds.values.copy_(saved.values)
    optimizer.load_state_dict(saved.optimizer)
    return list(saved.losses)


def _batches(config: DistillConfig, pool: int, start: int) -> Iterator[tuple[int, Int[Tensor, " b"]]]:
    """Steps from `start` with the patches of each: a function of the seed and the step only, so that a run can
    resume.

    The pool is shuffled anew for each pass; a batch may reach over the end of a pass into the next.
    """

    def order(epoch: int) -> Int[Tensor, " n"]:
        generator = torch.Generator().manual_seed(config.seed * 1_000_003 + epoch)
        return torch.randperm(pool, generator=generator)

    for step in range(start, config.iterations):
        first = step * config.batch
        positions = range(first, first + config.batch)
        shuffled = {epoch: order(epoch) for epoch in {position // pool for position in positions}}
        yield step, torch.stack([shuffled[position // pool][position % pool] for position in positions])


def _set_rate(optimizer: torch.optim.Adam, config: DistillConfig, step: int) -> None:
    share = 0.5 * (1.0 + math.cos(math.pi * step / config.iterations)) if config.schedule is Schedule.COSINE else 1.0
    for group in optimizer.param_groups:
        group["lr"] = config.learning_rate * share


def _loss(config: DistillConfig, output: Tensor, features: list[Tensor], target: Target) -> Tensor:
    loss = output_loss(output, target.output)
    if config.output_scale is OutputScale.PER_ELEMENT:
        loss = loss / math.prod(output.shape[1:])
    if config.feature_loss is FeatureLoss.PAPER:
        loss = loss + config.feature_weight * feature_loss(features, target.features)
    elif config.feature_loss is FeatureLoss.RELEASE:
        loss = loss + config.feature_weight * released_feature_loss(features, target.features)
    return loss
