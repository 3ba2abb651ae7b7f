"""The plots of a report. Markers, line styles and hatches tell things apart, colour only helps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from intaglio.report.content import Distribution, Row, SiteLine
from intaglio.report.svg import FLOAT, INK, MUTED, QUANTIZED, drawing, to_svg

_WIDTH = 330.0
"""CSS pixels: what a telephone shows at full size."""

_SERIES_MARKERS = ("^", "D", "v", "P", "X", "<", ">", "p")
_SERIES_LINES = ("-", "--", "-.", ":")


def rate_distortion(rows: Sequence[Row], name: str, unit: str, cost: Callable[[Row], float | None]) -> Markup | None:
    """PSNR-Y against a cost, or None where no two rows have both; bicubic is a line, since it costs next to nothing."""
    points = [(cost(row), row.psnr_y, row) for row in rows if row.role != "bicubic"]
    known = [(x, y, row) for x, y, row in points if x is not None and y is not None]
    if len(known) < 2:
        return None
    with drawing(name, _WIDTH, 250) as figure:
        axes = figure.add_subplot()
        for index, series in enumerate(dict.fromkeys(row.series for _, _, row in known if row.role == "record")):
            _series(axes, [(x, y, row) for x, y, row in known if row.series == series and row.role == "record"], index)
        for x, y, row in known:
            if row.role != "record":
                _point(axes, x, y, row)
        for row in rows:
            if row.role == "bicubic" and row.psnr_y is not None:
                axes.axhline(row.psnr_y, color=MUTED, linestyle=":", linewidth=1.2, label="bicubic")
                break
        axes.set(xlabel=unit, ylabel="PSNR-Y, dB")
        axes.margins(0.16, 0.16)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=9)
        spoken = "; ".join(f"{row.label}: {x:.4g} {unit}, {y:.2f} dB" for x, y, row in known)
        return to_svg(figure, name, f"PSNR-Y against {unit}. {spoken}.")


def _point(axes: Axes, x: float, y: float, row: Row) -> None:
    ours = row.role == "quantized"
    marker, colour, face = ("o", QUANTIZED, QUANTIZED) if ours else ("s", FLOAT, "none")
    axes.plot(x, y, marker, color=colour, markerfacecolor=face, markersize=9, markeredgewidth=1.8, label=row.label)


def _series(axes: Axes, points: Sequence[tuple[float, float, Row]], index: int) -> None:
    ordered = sorted(points, key=lambda point: point[0])
    xs, ys = [point[0] for point in ordered], [point[1] for point in ordered]
    line = _SERIES_LINES[index % len(_SERIES_LINES)]
    marker = _SERIES_MARKERS[index % len(_SERIES_MARKERS)]
    label = ordered[0][2].series
    axes.plot(xs, ys, line, marker=marker, color=MUTED, markerfacecolor="none", markersize=7, linewidth=1, label=label)
    for x, y, row in ordered:
        _note(axes, row.bits, (x, y), (0.0, -13.0), ha="center", fontsize=8, color=MUTED)


def sensitivity(sites: Sequence[SiteLine]) -> Markup | None:
    """Each site's `alone_psnr` in the order of execution, or None where nothing was measured."""
    known = [(index, site) for index, site in enumerate(sites) if site.alone_psnr is not None]
    if not known:
        return None
    with drawing("sensitivity", 2.05 * _WIDTH, 260) as figure:
        axes = figure.add_subplot()
        kinds = (("activations", False, "o", FLOAT), ("weights", True, "^", QUANTIZED))
        for label, weights, marker, colour in kinds:
            chosen = [(index, site.alone_psnr) for index, site in known if site.is_weight is weights]
            x, y = np.array(chosen, dtype=float).reshape(-1, 2).T
            axes.plot(x, y, marker, color=colour, markerfacecolor="none", markersize=4.5, label=label)
        worst = sorted(known, key=lambda item: item[1].alone_psnr or 0.0)[:3]
        for rank, (index, site) in enumerate(worst, start=1):
            _note(axes, str(rank), (float(index), site.alone_psnr or 0.0), (7.0, -3.0), fontweight="bold")
        axes.set(xlabel="site, in the order of execution", ylabel="dB")
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=9)
        spoken = "; ".join(f"{site.name} {site.alone_psnr:.1f} dB" for _, site in worst)
        return to_svg(figure, "sensitivity", f"Output against float with one site quantized. Most sensitive: {spoken}.")


def distribution(shown: Distribution, name: str) -> Markup:
    """A site's histogram, logarithmic, with its bounds and levels; what is clipped is hatched."""
    site, edges = shown.site, np.linspace(shown.low, shown.high, len(shown.counts) + 1)
    inside = (edges[1:] > site.lower) & (edges[:-1] < site.upper)
    with drawing(name, _WIDTH, 165) as figure:
        axes = figure.add_subplot()
        _bars(axes, shown, edges, inside, color=FLOAT, alpha=0.55)
        _bars(axes, shown, edges, ~inside, facecolor="none", edgecolor=QUANTIZED, hatch="////")
        for bound in (site.lower, site.upper):
            axes.axvline(bound, color=QUANTIZED, linestyle="--", linewidth=1.6)
        levels = site.lower + (site.upper - site.lower) * np.array(site.codes) / site.codes[-1]
        axes.plot(levels, np.zeros_like(levels), "|", transform=axes.get_xaxis_transform(), color=INK, markersize=9)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.set(ylabel="values")
        axes.grid(axis="x", visible=False)
        share = "" if site.clipped is None else f", {site.clipped:.2%} clipped"
        ends = f"bounds {site.lower:.4g} to {site.upper:.4g}, values {shown.low:.4g} to {shown.high:.4g}"
        return to_svg(figure, name, f"Distribution of {site.name}: {ends}{share}.")


def _bars(axes: Axes, shown: Distribution, edges: np.ndarray, chosen: np.ndarray, **style: Any) -> None:
    left, width = edges[:-1][chosen], np.diff(edges)[chosen]
    axes.bar(left, shown.counts[chosen], width=width, align="edge", log=True, **style)


def _note(axes: Axes, text: str, point: tuple[float, float], offset: tuple[float, float], **style: Any) -> None:
    """A word beside a point, `offset` in points."""
    axes.annotate(text, point, xytext=offset, textcoords="offset points", **style)
