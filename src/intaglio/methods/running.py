"""Fitting bounds batch by batch and averaging them, as the methods for convolutional networks do.

The searches for one batch are in `intaglio.observe`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from intaglio.methods.base import Job
from intaglio.observe import Search, fit_bounds
from intaglio.spec import Bounds, SiteName

Found = dict[SiteName, Bounds | list[Bounds]]


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
        patches = job.calibration.patches(self.batches * self.batch, self.patch_size, job.seed)
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
