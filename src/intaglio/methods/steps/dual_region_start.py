"""Where OAQ-SR starts: activation bounds and breakpoints by moving averages, symmetric weights by least squared error.

What the grids are is in `intaglio.quant`; how they are learned is in `oaq.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import torch
from torch import Tensor

from intaglio.errors import CalibrationError, SpecError
from intaglio.methods.base import Job
from intaglio.observe import visit_sites
from intaglio.quant import SiteInfo
from intaglio.quant.dual_region import Budget, DualRegionQuantizer
from intaglio.quant.symmetric import SignedRange, SymmetricQuantizer
from intaglio.spec import SiteName

CANDIDATES = 90
"""Bounds tried for a weight: its largest magnitude times 1, 0.99, ... 0.11."""


class BreakpointAverage(StrEnum):
    """How breakpoints of several batches become one."""

    MOVING = "moving"
    """By the moving average that bounds use."""
    FIRST = "first"
    """The first batch's, as in the released code, where the average mixes the old value with itself."""


@dataclass(frozen=True)
class StartDualRegions:
    """Put a dual-region quantizer at every activation site and a symmetric one at every weight.

    Activations: extremes, and the `percentile` of the signed values as breakpoint (of the magnitudes where that is not
    positive), by an exponential moving average with weight `ema` for the old value, over `pictures` crops in batches of
    `batch`.
    """

    percentile: float
    ema: float
    pictures: int
    batch: int
    patch_size: int
    budget: Budget
    signed: SignedRange
    breakpoints: BreakpointAverage

    def __post_init__(self) -> None:
        if not (0.0 < self.percentile < 1.0 and 0.0 <= self.ema < 1.0):
            raise SpecError(f"percentile {self.percentile} and EMA weight {self.ema} must lie between 0 and 1.")

    def __call__(self, job: Job) -> None:
        """Set all quantizers."""
        patches = job.patches(self.pictures, self.patch_size, job.seed)
        averages: dict[SiteName, Tensor] = {}
        batches = torch.split(patches, self.batch)
        with job.progress.stage("bounds", len(batches)) as advance:
            for part in batches:
                for name, found in visit_sites(job.model, part, self._statistics).items():
                    averages[name] = self._average(averages.get(name), found)
                advance("")
        for name, site in job.model.sites.items():
            if site.is_weight:
                bound = least_squares_bound(job.model.weight(site).detach(), site.bits, self.signed)
                job.model.set_quantizer(name, SymmetricQuantizer(bound, site.bits, self.signed))
            else:
                lower, upper, split = averages[name].unbind()
                job.model.set_quantizer(name, DualRegionQuantizer(lower, upper, split, site.bits, self.budget))

    def _statistics(self, site: SiteInfo, x: Tensor) -> Tensor:
        if site.is_weight:
            return torch.zeros(3)
        values = x.detach().float().cpu().numpy().ravel()
        if not np.isfinite(values.min()) or not np.isfinite(values.max()):
            raise CalibrationError(f"site {site.name!r} saw NaN or infinite values; check pictures and checkpoint.")
        split = float(np.quantile(values, self.percentile))
        if split <= 0.0:
            split = float(np.quantile(np.abs(values), self.percentile))
        return torch.tensor([values.min(), values.max(), split])

    def _average(self, old: Tensor | None, new: Tensor) -> Tensor:
        if old is None:
            return new
        mixed = self.ema * old + (1.0 - self.ema) * new
        if self.breakpoints is BreakpointAverage.FIRST:
            mixed[2] = old[2]
        return mixed


@torch.no_grad()
def least_squares_bound(weight: Tensor, bits: int, signed: SignedRange) -> Tensor:
    """The bound with the least squared error among shrunk largest magnitudes (OMSE); the first minimum wins.

    >>> least_squares_bound(torch.tensor([-1.0, 0.0, 1.0]), 2, SignedRange.NARROW).item()
    1.0
    """
    largest = weight.abs().max()
    candidates = [largest * (1.0 - 0.01 * index) for index in range(CANDIDATES)]
    errors = [
        (SymmetricQuantizer(bound, bits, signed)(weight) - weight).double().square().sum() for bound in candidates
    ]
    return candidates[int(torch.stack(errors).argmin())]
