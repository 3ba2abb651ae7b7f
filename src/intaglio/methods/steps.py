"""The steps that methods are made of: fitting bounds in one pass, distilling them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32

from intaglio.distill import DistillConfig, distill
from intaglio.methods.base import Job
from intaglio.methods.learning import POOL_SEED, report_losses
from intaglio.observe import Search, fit_bounds
from intaglio.quant import SiteInfo
from intaglio.spec import Bounds, Shape


@dataclass(frozen=True)
class FitBounds:
    """Fit the bounds of all sites in one float pass over `patches` random crops of `patch_size` pixels.

    `weights`, `bell` and `one_sided` are the searches for weights, for activations with two tails, and for those
    bounded below.
    """

    weights: Search
    bell: Search
    one_sided: Search
    patches: int
    patch_size: int

    def __call__(self, job: Job) -> None:
        """Put an affine quantizer at every site."""
        patches = job.calibration.patches(self.patches, self.patch_size, job.seed)
        with job.progress.stage("bounds", len(job.model.sites)) as advance:
            found = fit_bounds(job.model, patches, self._fit, on_site=lambda: advance(""))
        for name, bounds in found.items():
            job.model.set_bounds(name, bounds)

    def _fit(self, site: SiteInfo, values: Float32[np.ndarray, " n"]) -> Bounds:
        if site.is_weight:
            return self.weights(values, site.bits)
        search = self.one_sided if site.shape is Shape.ONE_SIDED else self.bell
        return search(values, site.bits)


@dataclass(frozen=True)
class Distill:
    """Distil all bounds against the float teacher on a pool of `pool` random crops of `patch_size` pixels.

    Adds the figures ``loss_first``, ``loss_last`` (means over the first and the last tenth of the steps) and
    ``iterations``.
    """

    config: DistillConfig
    pool: int
    patch_size: int

    def __call__(self, job: Job) -> None:
        """Learn the bounds; the run's seed replaces the configuration's."""
        config = replace(self.config, seed=job.seed)
        patches = job.calibration.patches(self.pool, self.patch_size, job.seed + POOL_SEED)
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
