"""The steps that methods are made of: fitting bounds in one pass, distilling them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from intaglio.distill import DistillConfig, distill
from intaglio.methods.base import Job
from intaglio.methods.learning import POOL_SEED, report_losses
from intaglio.observe import DistributionSearch, Search
from intaglio.observe.collect import batches, fit_weight, histograms
from intaglio.spec import Bounds, Shape, SiteName


@dataclass(frozen=True)
class FitBounds:
    """Fit the bounds of all sites in one float pass over `patches` random crops of `patch_size` pixels.

    `weights`, `bell` and `one_sided` are the searches for weights, for activations with two tails, and for those
    bounded below. Weights are searched exactly, activations by their histograms.
    """

    weights: Search
    bell: DistributionSearch
    one_sided: DistributionSearch
    patches: int
    patch_size: int

    def __call__(self, job: Job) -> None:
        """Put an affine quantizer at every site."""
        patches = job.calibration.patches(self.patches, self.patch_size, job.seed)
        sites = job.model.sites
        weights = [site for site in sites.values() if site.is_weight]
        with job.progress.stage("bounds", len(batches(patches)) + len(sites)) as advance:
            seen = histograms(job.model, patches, on_batch=lambda: advance(""))
            found: dict[SiteName, Bounds | list[Bounds]] = {}
            for site in weights:
                found[site.name] = fit_weight(job.model, site, self.weights)
                advance("")
            # Sites that share a histogram, and are alike, share its fit.
            fitted: dict[tuple[int, int, Shape], Bounds] = {}
            for name, histogram in seen.items():
                site = sites[name]
                key = (id(histogram), site.bits, site.shape)
                if key not in fitted:
                    search = self.one_sided if site.shape is Shape.ONE_SIDED else self.bell
                    fitted[key] = search.fit(histogram, site.bits)
                found[name] = fitted[key]
                advance("")
        for name, bounds in found.items():
            job.model.set_bounds(name, bounds)


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
