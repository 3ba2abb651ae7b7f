"""The step that distils bounds against the float network."""

from __future__ import annotations

from dataclasses import dataclass, replace

from intaglio.distill import DistillConfig, distill
from intaglio.methods.base import Job
from intaglio.methods.steps.learning import POOL_SEED, report_losses


@dataclass(frozen=True)
class Distill:
    """Distil all bounds against the float teacher on a pool of `pool` random crops of `patch_size` pixels.

    Adds the metrics ``loss_first``, ``loss_last`` (means over the first and the last tenth of the steps) and
    ``iterations``.
    """

    config: DistillConfig
    pool: int
    patch_size: int

    def __call__(self, job: Job) -> None:
        """Learn the bounds; the run's seed replaces the configuration's."""
        config = replace(self.config, seed=job.seed)
        patches = job.patches(self.pool, self.patch_size, job.seed + POOL_SEED)
        with job.progress.stage("distillation", config.iterations) as advance:
            losses = distill(
                job.model,
                job.teacher,
                patches,
                config,
                checkpoint=job.checkpoint,
                on_step=lambda step, loss: advance(f"loss {loss:.5f}"),
            )
        report_losses(job, losses)
