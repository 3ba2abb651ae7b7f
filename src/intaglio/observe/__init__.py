"""Calibration: the calibration set, bound searches, and the one pass that feeds them."""

from intaglio.observe.calibration import CalibrationSet
from intaglio.observe.collect import fit_bounds, visit_sites
from intaglio.observe.search import DistributionSearch, FreeMse, MinMax, OneSidedMse, Percentile, Search, TwoSidedMse

__all__ = [
    "CalibrationSet",
    "DistributionSearch",
    "FreeMse",
    "MinMax",
    "OneSidedMse",
    "Percentile",
    "Search",
    "TwoSidedMse",
    "fit_bounds",
    "visit_sites",
]
