"""The embedded test pictures: drawn, not photographed, so that the package needs nobody's licence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from intaglio.images import dead_leaves, test_scene, write_image

SIDE = 192
"""Height and width of the HR pictures, in pixels."""

CHART = "chart"
"""The picture that the comparison sheet shows."""

_CHART_SEED = 3
_LEAVES_SEEDS = (101, 102)


def high_resolution() -> dict[str, UInt8[np.ndarray, "192 192 3"]]:
    """The HR pictures by name: a test chart and two of dead leaves. Calibration pictures are drawn from other seeds."""
    leaves = {f"leaves{seed}": dead_leaves(SIDE, SIDE, seed) for seed in _LEAVES_SEEDS}
    return {CHART: test_scene(SIDE, SIDE, _CHART_SEED), **leaves}


def write_pictures(folder: Path) -> None:
    """Write the HR pictures as PNG files into a folder that exists: a test set in the plainest layout."""
    for name, picture in high_resolution().items():
        write_image(folder / f"{name}.png", picture)
