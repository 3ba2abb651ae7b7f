"""Pictures of figures by site: sensitivity, outliers and colour, condition numbers; and of operations by kind."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from intaglio.analyze.colour import OutlierColour
from intaglio.analyze.conditions import WeightCondition
from intaglio.analyze.cost import Cost
from intaglio.analyze.counts import Operations
from intaglio.analyze.draw.style import (
    ACTIVATION,
    BLUE,
    GRAY,
    INK,
    MARKERS,
    ORANGE,
    SERIES,
    WEIGHT,
    kind_of,
    new_figure,
    quiet,
    short_name,
)
from intaglio.analyze.sensitivity import SiteSensitivity
from intaglio.spec import SiteName

WORST = 20
"""Sites that are named in a picture."""


def draw_sensitivity(rows: Sequence[SiteSensitivity]) -> Figure:
    """The sites that cost most, named; beside them the gradient estimate against the measured error, where made."""
    estimated = [row for row in rows if row.estimate]
    figure = new_figure(11.0 if estimated else 7.0, 5.2)
    bars, *rest = figure.subplots(1, 2 if estimated else 1, squeeze=False).flat
    worst = sorted(rows, key=lambda row: row.psnr_loss, reverse=True)[:WORST]
    colours = [WEIGHT if row.weight else ACTIVATION for row in worst]
    _named_bars(bars, [row.site for row in worst], [row.psnr_loss for row in worst], colours)
    bars.set_xlabel("loss of PSNR-Y in dB, this site quantized alone", fontsize=8, color=INK)
    for axes in rest:
        _against(axes, estimated)
    (rest or [bars])[0].legend(
        handles=[_patch(WEIGHT, "weight"), _patch(ACTIVATION, "activation")],
        fontsize=8,
        frameon=False,
        loc="upper left" if rest else "lower right",
    )
    return figure


def _against(axes: Axes, rows: Sequence[SiteSensitivity]) -> None:
    quiet(axes)
    shown = [(row.error, row.estimate, row.weight) for row in rows if row.error > 0.0 and row.estimate]
    for weight, colour, marker in ((True, WEIGHT, "o"), (False, ACTIVATION, "s")):
        points = [(error, estimate) for error, estimate, is_weight in shown if is_weight is weight]
        if points:
            errors, estimates = zip(*points, strict=True)
            axes.scatter(errors, estimates, s=14, color=colour, marker=marker, alpha=0.75, linewidth=0)
    ends = [min(min(e, g) for e, g, _ in shown), max(max(e, g) for e, g, _ in shown)]
    axes.plot(ends, ends, color=INK, linewidth=0.8, linestyle=(0, (4, 2)))
    axes.set(xscale="log", yscale="log")
    axes.set_xlabel("measured mean squared change of the output", fontsize=8, color=INK)
    axes.set_ylabel("gradient estimate", fontsize=8, color=INK)


def draw_colour(rows: Sequence[OutlierColour]) -> Figure:
    """Change of chroma against change of luma when a site's outliers are clipped; and where the outliers lie."""
    figure = new_figure(11.0, 5.2)
    left, right = figure.subplots(1, 2)
    worst = sorted(rows, key=lambda row: row.chroma, reverse=True)[:WORST]
    _named_bars(left, [row.site for row in worst], [row.chroma for row in worst], [ORANGE] * len(worst), "chroma")
    left.plot([row.luma for row in worst], range(len(worst)), "D", color=BLUE, markersize=4, label="luma")
    left.set_xlabel("change when its outliers are clipped, grey levels (root mean square)", fontsize=8, color=INK)
    left.legend(fontsize=8, frameon=False, loc="lower right")
    quiet(right)
    chroma_share = [row.chroma / max(row.chroma + row.luma, 1e-12) for row in rows]
    right.scatter([row.correlation for row in rows], chroma_share, s=18, color=BLUE, alpha=0.75, linewidth=0)
    right.axvline(0.0, color=GRAY, linewidth=0.8)
    right.set(xlim=(-1.0, 1.0), ylim=(0.0, 1.0))
    right.set_xlabel("correlation of outliers with the picture's chroma, over pixels", fontsize=8, color=INK)
    right.set_ylabel("chroma's share of the change", fontsize=8, color=INK)
    return figure


def draw_conditions(rows: Sequence[WeightCondition]) -> Figure:
    """Condition numbers of all matrices in the order of the network, by kind of layer, with their median."""
    figure = new_figure(9.0, 4.2)
    axes = figure.subplots()
    quiet(axes)
    kinds = list(dict.fromkeys(kind_of(row.site) for row in rows))
    if len(kinds) > len(SERIES):
        kinds = [*kinds[: len(SERIES) - 1], "others"]
    for index, kind in enumerate(kinds):
        points = [(place, row.kappa) for place, row in enumerate(rows) if _among(kinds, row.site) == kind]
        places, kappas = zip(*points, strict=True)
        axes.plot(places, kappas, MARKERS[index], color=SERIES[index], markersize=4, alpha=0.85, label=kind)
    median = float(np.median([row.kappa for row in rows]))
    axes.axhline(median, color=INK, linewidth=0.9, linestyle=(0, (4, 2)), label=f"median {median:.3g}")
    axes.set_yscale("log")
    axes.set_xlabel("weight matrix, in the order of the network", fontsize=8, color=INK)
    axes.set_ylabel("condition number", fontsize=8, color=INK)
    figure.legend(fontsize=8, frameon=False, loc="outside upper center", ncols=min(len(kinds) + 1, 8))
    return figure


def _among(kinds: Sequence[str], site: SiteName) -> str:
    kind = kind_of(site)
    return kind if kind in kinds else kinds[-1]


def draw_cost(found: Cost) -> Figure:
    """Shares of multiply-adds by kind: the truth, and the published convention where one is known."""
    counts = {"counted": found.operations}
    if found.published_operations is not None:
        counts["as published"] = found.published_operations
    figure = new_figure(8.0, 1.3 + 0.6 * len(counts))
    axes = figure.subplots()
    quiet(axes)
    axes.grid(visible=False)
    for line, operations in enumerate(counts.values()):
        _stacked(axes, line, operations)
    axes.set_yticks(range(len(counts)), [f"{name}\n{one.total / 1e9:.2f} G" for name, one in counts.items()])
    axes.invert_yaxis()
    axes.set_xlim(0.0, 100.0)
    axes.set_xlabel(f"% of multiply-adds, LR picture of {found.height} x {found.width}", fontsize=8, color=INK)
    handles = [_patch(colour, name) for name, colour in _KINDS.items()]
    figure.legend(handles=handles, fontsize=8, frameon=False, loc="outside upper center", ncols=4)
    return figure


_KINDS = {"linear": BLUE, "product": "#56B4E9", "convolution": ORANGE, "other": GRAY}


def _stacked(axes: Axes, line: int, operations: Operations) -> None:
    left = 0.0
    for kind, colour in _KINDS.items():
        share = 100.0 * getattr(operations, kind) / operations.total
        axes.barh(line, share, left=left, color=colour, height=0.62)
        if share > 4.0:
            ink = "white" if colour == BLUE else INK
            axes.text(left + share / 2, line, f"{share:.1f}", ha="center", va="center", fontsize=8, color=ink)
        left += share


def _named_bars(
    axes: Axes, sites: Sequence[str], values: Sequence[float], colours: Sequence[str], label: str | None = None
) -> None:
    quiet(axes)
    axes.grid(visible=False, axis="y")
    axes.grid(axis="x", color=GRAY, alpha=0.35, linewidth=0.6)
    axes.barh(range(len(sites)), values, color=colours, height=0.7, label=label)
    axes.set_yticks(range(len(sites)), [short_name(site) for site in sites])
    axes.tick_params(axis="y", labelsize=7, length=0)
    axes.set_ylim(len(sites) - 0.4, -0.6)


def _patch(colour: str, label: str) -> Patch:
    return Patch(color=colour, label=label)
