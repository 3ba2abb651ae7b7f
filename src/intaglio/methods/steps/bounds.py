"""Fitting bounds: in one float pass over all crops, or batch by batch and averaged.

The searches are in `intaglio.observe`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from intaglio.methods.base import Job
from intaglio.observe import DistributionSearch, Search, fit_bounds
from intaglio.observe.collect import batches, fit_weight, histograms, own_crops
from intaglio.spec import Bounds, Shape, SiteName

Found = dict[SiteName, Bounds | list[Bounds]]


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
        patches = job.patches(self.patches, self.patch_size, job.seed)
        sites = job.model.sites
        weights = [site for site in sites.values() if site.is_weight]
        with job.progress.stage("bounds", len(batches(own_crops(patches))) + len(sites)) as advance:
            seen = histograms(job.model, patches, on_batch=lambda: advance(""))
            found: Found = {}
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
class FitRunningBounds:
    """Fit activations and weights by their searches on each of `batches` batches of `batch` crops; the means are set.

    The float network runs: every batch is fitted before any bound is set. Weights do not change from batch to batch.
    """

    weights: Search
    activations: Search
    batches: int
    batch: int
    patch_size: int

    def __call__(self, job: Job) -> None:
        """Put an affine quantizer at every site."""
        patches = job.patches(self.batches * self.batch, self.patch_size, job.seed)
        sums: dict[SiteName, Tensor] = {}
        with job.progress.stage("bounds", self.batches) as advance:
            for part in torch.split(patches, self.batch):
                found = fit_bounds(
                    job.model,
                    part,
                    lambda site, x: (self.weights if site.is_weight else self.activations)(x, site.bits),
                )
                for name, bounds in found.items():
                    sums[name] = sums.get(name, torch.zeros(1)) + _pairs(bounds)
                advance("")
        for name, total in sums.items():
            pairs = [Bounds(*pair) for pair in (total / self.batches).tolist()]
            job.model.set_bounds(name, pairs if isinstance(found[name], list) else pairs[0])


def _pairs(bounds: Bounds | list[Bounds]) -> Tensor:
    listed = bounds if isinstance(bounds, list) else [bounds]
    return torch.tensor([(pair.lower, pair.upper) for pair in listed], dtype=torch.float64)
