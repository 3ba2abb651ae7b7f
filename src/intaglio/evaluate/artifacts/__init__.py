"""The artifact guard: what a mean over pictures hides, measured on a quantized picture against the float one.

Measures are one file each, limits and the verdict are `verdict.py`; numpy only.
"""

from intaglio.evaluate.artifacts.banding import Banding, banding
from intaglio.evaluate.artifacts.colour import ColourShift, colour_shift
from intaglio.evaluate.artifacts.inspection import Artifacts, inspect_artifacts
from intaglio.evaluate.artifacts.lab import delta_e_2000, srgb_to_lab
from intaglio.evaluate.artifacts.seams import Seams, seams
from intaglio.evaluate.artifacts.tiles import TILE, WorstTile, worst_tile
from intaglio.evaluate.artifacts.verdict import LIMITS, Finding, Level, Limit, Verdict, judge, overall

__all__ = [
    "LIMITS",
    "TILE",
    "Artifacts",
    "Banding",
    "ColourShift",
    "Finding",
    "Level",
    "Limit",
    "Seams",
    "Verdict",
    "WorstTile",
    "banding",
    "colour_shift",
    "delta_e_2000",
    "inspect_artifacts",
    "judge",
    "overall",
    "seams",
    "srgb_to_lab",
    "worst_tile",
]
