"""PTQ4ViT's twin uniform quantizers (Yuan et al., ECCV 2022): attention maps and GELU outputs in two regions.

The coarse spacing is a power of two times the fine one, so that both regions are codes of one affine grid.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile

import numpy as np

from intaglio.methods.base import Job, Step
from intaglio.methods.steps import Require
from intaglio.methods.two_d_quant import Dobi
from intaglio.observe.collect import histograms
from intaglio.observe.distribution import Distribution
from intaglio.quant.lattice import GridQuantizer
from intaglio.spec import MAX_BITS, MIN_BITS, Grid, Piece, Shape, float32


@dataclass(frozen=True)
class Ptq4Vit:
    """Twin uniform grids for attention maps and GELU outputs (PTQ4ViT, section 3.2), DOBI for everything else.

    A region of half the levels near zero (attention) or below it (GELU), the other half above with 2^m times its
    spacing. m and the upper bound are those of least squared error among the m that 8-bit codes can hold and
    `candidates` bounds. Left out: the Hessian-guided metric in place of the squared error (section 3.3) and the search
    of weight scales in turns with it. Levels that the paper's codes count twice, or never reach, go to the coarse
    region. Cost: two float passes and two sorts.
    """

    candidates: int = 100
    patches: int = 32
    patch_size: int = 64

    def steps(self) -> tuple[Step, ...]:
        """Twin grids while all sites are float, bounds for the rest."""
        return (Require(one_sided=True), TwinGrids(Dobi(self.candidates, self.patches, self.patch_size)))


@dataclass(frozen=True)
class TwinGrids:
    """Twin uniform grids for all sites that are bounded below, by one float pass; `others` sets the rest, on the same
    crops with as many candidates."""

    others: Dobi

    def __call__(self, job: Job) -> None:
        """Put a quantizer at every site."""
        patches = job.patches(self.others.patches, self.others.patch_size, job.seed)
        seen = histograms(job.model, patches, lambda site: site.shape is Shape.ONE_SIDED)
        for step in self.others.steps():
            step(job)
        for name, histogram in seen.items():
            grid = fit_twin(histogram, job.model.sites[name].bits, self.others.candidates)
            if grid is not None:
                job.model.set_quantizer(name, GridQuantizer(grid))


def fit_twin(values: Distribution, bits: int, candidates: int) -> Grid | None:
    """The twin uniform grid of least squared error; None where no value is positive.

    >>> from intaglio.observe.distribution import Sample
    >>> fit_twin(Sample(np.array([0.0, 0.01, 0.02, 0.9], dtype=np.float32)), bits=2, candidates=10).pieces
    (Piece(stride=1, steps=2), Piece(stride=128, steps=1))
    """
    if not values.high > 0.0:
        return None
    grids = twin_grids(bits, values.low < 0.0, values.high, candidates)
    levels = np.array([[grid.lower + grid.step * code for code in grid.codes] for grid in grids])
    return grids[int(np.argmin(values.errors_of_levels(levels)))]


def twin_grids(bits: int, signed: bool, high: float, candidates: int) -> list[Grid]:
    """All grids of `bits` wide codes: each power of two that 8-bit codes can hold, each upper bound down from `high`.

    `signed` values have half the levels below zero, which is a level; others have half of them next to it.
    """
    half = 1 << (bits - 1)
    fine, coarse = (half - 1, half) if signed else (half, half - 1)
    powers = takewhile(lambda power: fine + (coarse << power) < 1 << MAX_BITS, range(MAX_BITS))
    grids = []
    for power in powers:
        top, pieces = fine + (coarse << power), (Piece(1, fine), Piece(1 << power, coarse))
        steps_above_zero = top - fine if signed else top
        for index in range(candidates):
            step = high * (1.0 - index / candidates) / steps_above_zero
            lower = float32(-fine * step) if signed else 0.0
            grids.append(Grid(lower, float32(step), max(MIN_BITS, top.bit_length()), pieces))
    return grids
