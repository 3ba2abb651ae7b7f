"""Analyses that the papers rest on: what sites hold, where bounds lie, what each site costs in quality and arithmetic.

Each is a function with a typed result; pictures of the results are drawn in `draw`, which needs matplotlib.
"""

from intaglio.analyze.colour import OutlierColour, outlier_colour
from intaglio.analyze.conditions import WeightCondition, weight_conditions
from intaglio.analyze.cost import Cost, Ratios, cost
from intaglio.analyze.counts import Operations, Parameters, count_operations, count_parameters
from intaglio.analyze.distributions import SiteDistribution, site_distributions
from intaglio.analyze.gradient import estimate_errors
from intaglio.analyze.pairs import Pairs, pairs_of
from intaglio.analyze.percentiles import BoundPercentiles, bound_percentiles
from intaglio.analyze.published import published_operations, published_parameters
from intaglio.analyze.sensitivity import SiteSensitivity, site_sensitivity

__all__ = [
    "BoundPercentiles",
    "Cost",
    "Operations",
    "OutlierColour",
    "Pairs",
    "Parameters",
    "Ratios",
    "SiteDistribution",
    "SiteSensitivity",
    "WeightCondition",
    "bound_percentiles",
    "cost",
    "count_operations",
    "count_parameters",
    "estimate_errors",
    "outlier_colour",
    "pairs_of",
    "published_operations",
    "published_parameters",
    "site_distributions",
    "site_sensitivity",
    "weight_conditions",
]
