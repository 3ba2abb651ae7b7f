"""Pictures of analyses, by matplotlib; every function takes a typed result and returns a figure."""

from intaglio.analyze.draw.bounds import draw_distributions, draw_percentiles
from intaglio.analyze.draw.sites import draw_colour, draw_conditions, draw_cost, draw_sensitivity
from intaglio.analyze.draw.style import save_figure

__all__ = [
    "draw_colour",
    "draw_conditions",
    "draw_cost",
    "draw_distributions",
    "draw_percentiles",
    "draw_sensitivity",
    "save_figure",
]
