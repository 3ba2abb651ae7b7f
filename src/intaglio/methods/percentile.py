"""Percentile (Li et al., CVPR 2019): activations are clipped at low and high percentiles, weights at their
extremes."""

from __future__ import annotations

from dataclasses import dataclass

from intaglio.methods.base import Step
from intaglio.methods.steps import FitBounds
from intaglio.observe import MinMax, Percentile


@dataclass(frozen=True)
class PercentileMethod:
    """Activation bounds at the `tail` and 100 - `tail` percentiles.

    The percentile behind the published rows, and whether weights were clipped too, are not stated
    (docs/methods/percentile.md): 0.1 % and unclipped weights are this project's start. Cost: one float pass.
    """

    tail: float = 0.1
    patches: int = 32
    patch_size: int = 64

    def steps(self) -> tuple[Step, ...]:
        """One pass."""
        search = Percentile(self.tail)
        return (FitBounds(MinMax(), search, search, self.patches, self.patch_size),)
