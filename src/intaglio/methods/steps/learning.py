"""What the steps that learn have in common: run the loop on a pool of patches, report its losses.

The loop is in `intaglio.distill`; objectives and groups are the methods' own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from intaglio.distill import Group, Loop, Objective, learn
from intaglio.methods.base import Job

POOL_SEED = 1
"""Added to the seed of the distillation pool, so that it does not begin with the patches that bounds were fitted
on."""


def learn_on_pool(
    job: Job,
    objective: Objective,
    groups: Sequence[Group],
    loop: Loop,
    pool: int,
    patch_size: int,
    settings: Mapping[str, object],
) -> None:
    """Learn on `pool` random crops of `patch_size` pixels; the job's seed replaces the loop's.

    Adds the metrics ``loss_first``, ``loss_last`` (means over the first and the last tenth of the steps) and
    ``iterations``.
    """
    loop = replace(loop, seed=job.seed)
    patches = job.patches(pool, patch_size, job.seed + POOL_SEED)
    with job.progress.stage("distillation", loop.iterations) as advance:
        losses = learn(
            job.model,
            job.teacher,
            patches,
            objective,
            groups,
            loop,
            {**settings, "seed": job.seed},
            checkpoint=job.checkpoint,
            on_step=lambda step, loss: advance(f"loss {loss:.5f}"),
        )
    report_losses(job, losses)


def report_losses(job: Job, losses: Sequence[float]) -> None:
    """Write the means over the first and the last tenth of the steps, and their number, to the job's metrics."""
    tenth = max(1, len(losses) // 10)
    if losses:
        job.metrics["loss_first"] = float(np.mean(losses[:tenth]))
        job.metrics["loss_last"] = float(np.mean(losses[-tenth:]))
    job.metrics["iterations"] = float(len(losses))
