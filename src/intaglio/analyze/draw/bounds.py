"""Distributions with bounds marked, and percentiles of bounds: 2DQuant's figures 4, 5 and 7 to 11."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from intaglio.analyze.distributions import SiteDistribution
from intaglio.analyze.draw.style import (
    ACTIVATION,
    BLUE,
    GRAY,
    INK,
    MARKERS,
    ORANGE,
    WEIGHT,
    new_figure,
    quiet,
    short_name,
)
from intaglio.analyze.percentiles import BoundPercentiles

PAGE = 16
"""Panels of a page: a transformer block of SwinIR has so many sites."""

_COLUMNS = 4


def draw_distributions(rows: Sequence[SiteDistribution]) -> Iterator[Figure]:
    """Pages of histograms, counts on a logarithmic axis, with bounds as vertical lines and clipped ranges shaded."""
    for start in range(0, len(rows), PAGE):
        page = rows[start : start + PAGE]
        columns = min(_COLUMNS, len(page))
        lines = -(-len(page) // columns)
        figure = new_figure(3.1 * columns, 2.0 * lines + 0.5)
        panels = figure.subplots(lines, columns, squeeze=False)
        for axes, row in zip(panels.flat, page, strict=False):
            _histogram(axes, row)
        for axes in panels.flat[len(page) :]:
            axes.set_visible(False)
        figure.supylabel("values in a bin", fontsize=9, color=INK)
        yield figure


def _histogram(axes: Axes, row: SiteDistribution) -> None:
    quiet(axes)
    edges = np.linspace(row.low, row.high, len(row.counts) + 1)
    axes.stairs(row.counts, edges, fill=True, color=WEIGHT if row.weight else ACTIVATION, alpha=0.75)
    axes.set_yscale("log")
    axes.set_ylim(0.8, 2.0 * max(row.counts))
    if row.bounds:
        lower, upper = min(pair[0] for pair in row.bounds), max(pair[1] for pair in row.bounds)
        for bound in (lower, upper):
            axes.axvline(bound, color=INK, linewidth=1.1, linestyle=(0, (4, 2)))
        for begin, end in ((row.low, min(lower, row.high)), (max(upper, row.low), row.high)):
            if begin < end:
                axes.axvspan(begin, end, color=GRAY, alpha=0.35, linewidth=0)
    axes.set_title(f"{short_name(row.site)}, {row.bits} bits", fontsize=8, color=INK)
    axes.set_xlabel(
        f"clipped {row.clipped:.2%}" if row.bounds else "no affine bounds", fontsize=7, color=INK, labelpad=1
    )
    axes.tick_params(labelsize=7)
    axes.locator_params(axis="x", nbins=5)


def draw_percentiles(rows: Sequence[BoundPercentiles]) -> Figure:
    """Both bounds of every site as percentiles of its values, one marker for each method, weights above activations.

    The axis is the share that is clipped at that end, in percent, logarithmic near zero.
    """
    figure = new_figure(10.0, 6.4)
    panels = figure.subplots(2, 2, squeeze=False)
    methods = list(dict.fromkeys(row.method for row in rows))
    for line, weight in enumerate((True, False)):
        kind = "weights" if weight else "activations"
        for column, end in enumerate(("lower", "upper")):
            axes = panels[line, column]
            quiet(axes)
            for index, method in enumerate(methods):
                chosen = [row for row in rows if row.weight is weight and row.method == method]
                shares = [row.lower if end == "lower" else 100.0 - row.upper for row in chosen]
                colour = (BLUE, ORANGE, INK, GRAY)[index % 4]
                axes.plot(shares, MARKERS[index % 4], color=colour, markersize=3.2, alpha=0.75, label=method)
            axes.set_yscale("symlog", linthresh=0.01)
            axes.set_ylim(bottom=-0.002)
            axes.set_title(f"{kind}, {end} bound", fontsize=9, color=INK)
            axes.set_xlabel("site, in the order of the network", fontsize=8, color=INK)
            axes.set_ylabel("% of values beyond it", fontsize=8, color=INK)
    panels[0, 0].legend(fontsize=8, frameon=False)
    return figure
