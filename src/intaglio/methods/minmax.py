"""MinMax (Jacob et al., CVPR 2018): every tensor's extremes over the calibration patches are its bounds."""

from __future__ import annotations

from dataclasses import dataclass

from intaglio.methods.base import Step
from intaglio.methods.steps import FitBounds
from intaglio.observe import MinMax


@dataclass(frozen=True)
class MinMaxMethod:
    """Bounds are minima and maxima; nothing is clipped, one outlier widens every step.

    `patches` crops of `patch_size` pixels, as in 2DQuant's comparison (section 4.1). Cost: one float pass.
    """

    patches: int = 32
    patch_size: int = 64

    def steps(self) -> tuple[Step, ...]:
        """One pass."""
        search = MinMax()
        return (FitBounds(search, search, search, self.patches, self.patch_size),)
