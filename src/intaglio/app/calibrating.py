"""Where calibration pictures come from: a folder of LR pictures, or pictures that are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from intaglio.observe import CalibrationSet

SYNTHETIC = "synthetic"
"""The source that needs no data."""


@dataclass(frozen=True)
class CalibrationSource:
    """What to calibrate on; the same value gives the same pictures.

    Attributes:
        source: a folder of LR pictures, or `SYNTHETIC` for drawn ones.
        hold_out: how many pictures of a folder, the last by name, are left aside.
        count: how many pictures are drawn.
        size: side of a drawn picture in pixels.
        seed: seed of the drawn pictures.
    """

    source: str = SYNTHETIC
    hold_out: int = 0
    count: int = 32
    size: int = 128
    seed: int = 0


def calibration_set(source: CalibrationSource) -> CalibrationSet:
    """The pictures themselves. Raises: DatasetError, ImageError or CalibrationError, each with its remedy."""
    from intaglio.observe import CalibrationSet  # torch is needed for the pictures, not for naming them

    if source.source == SYNTHETIC:
        return CalibrationSet.synthetic(source.count, source.size, source.seed)
    return CalibrationSet.from_folder(Path(source.source), hold_out=source.hold_out)
