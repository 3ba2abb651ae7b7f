"""Figures of the documentation, drawn from the committed records when the site is built."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from intaglio.evaluate import Record, read_records
from intaglio.results.choices import choices
from intaglio.results.page import choosing_records
from intaglio.results.tables import peers_of, with_peers

_LINES = MappingProxyType({"dobi": ":", "least-squares": "--", "2dquant": "-.", "engrave": "-"})
"""The methods that are drawn: bounds alone, weights in closed form, bounds learned, all learned."""
_MARKERS = "osD^vP"


def loss_over_bytes(records: list[Record]) -> str:
    """PSNR-Y lost against the size of the file: a colour for each network, a line for each method, a point for each
    width."""
    figure = Figure(figsize=(8, 4.2), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    curves: dict[tuple[str, str], list[tuple[float, float, int]]] = {}
    cells = choices(records)
    # Networks that are not made for PSNR may gain by noise; a logarithm has no place for that.
    gaining = {
        name[0] for name, cell in cells.items() for one in cell.records.values() if (one.psnr_y or 0) >= cell.float_psnr
    }
    for (network, _, _), cell in cells.items():
        if network in gaining:
            continue
        for method in _LINES:
            record = cell.records.get(method)
            if record and record.psnr_y is not None and record.bytes:
                point = (record.bytes / 1000, cell.float_psnr - record.psnr_y, record.weight_bits or 0)
                curves.setdefault((network, method), []).append(point)
    networks = list(dict.fromkeys(network for network, _ in curves))
    for (network, method), points in curves.items():
        place = networks.index(network)
        kilobytes, losses, widths = zip(*sorted(points), strict=True)
        style = {"color": f"C{place}", "linestyle": _LINES[method], "marker": _MARKERS[place % len(_MARKERS)]}
        axes.plot(kilobytes, losses, markersize=4, linewidth=1.2, label=f"{network}, {method}", **style)
        if method == "engrave":
            for x, y, bits in zip(kilobytes, losses, widths, strict=True):
                axes.annotate(f"{bits} bits", (x, y), (3, 5), textcoords="offset points", fontsize=7)
    axes.set(xlabel="size of the file, kB", ylabel="PSNR-Y lost on Set5, dB (logarithmic)", yscale="log")
    figure.legend(loc="outside right upper", fontsize=7, frameon=False)
    return _svg(figure)


def speed_beside_peers(records: list[Record]) -> str:
    """Times of the peers divided by ours, a group of bars for each network, size and instruction set."""
    rows = with_peers(records)
    names = list(dict.fromkeys(name for record in rows for name in peers_of(record)))
    figure = Figure(figsize=(8, 0.9 + 0.75 * len(rows)), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    height = 0.8 / max(1, len(names))
    for place, name in enumerate(names):
        known = [(row, peers_of(record)[name]["ratio"]) for row, record in enumerate(rows) if name in peers_of(record)]
        spots = [row + (place - (len(names) - 1) / 2) * height for row, _ in known]
        axes.barh(spots, [ratio for _, ratio in known], height, label=name)
    labels = [f"{one.network} x{one.scale}\n{one.settings['size']}, {one.settings['backend']}" for one in rows]
    axes.set_yticks(range(len(rows)), labels, fontsize=7)
    axes.axvline(1.0, color="black", linewidth=0.8)
    axes.set(xlabel="time divided by ours (logarithmic); right of 1 we are faster", xscale="log")
    axes.invert_yaxis()
    figure.legend(loc="outside right upper", fontsize=7, frameon=False)
    return _svg(figure)


FIGURES: Mapping[str, tuple[str, Callable[[list[Record]], str]]] = MappingProxyType(
    {
        "loss-over-bytes": ("PSNR-Y lost against the size of the file, by network, method and width", loss_over_bytes),
        "speed-beside-peers": ("Times of the peers divided by ours, by network and size", speed_beside_peers),
    }
)
"""By name, what a figure shows and the function that draws it. A page asks for one by ``<!-- figure: NAME -->``."""


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=False)
    return buffer.getvalue()


def drawn(name: str, root: Path) -> str:
    """A figure as SVG, from the records of a repository."""
    files = {path.stem: read_records(path) for path in sorted((root / "results").glob("*.jsonl"))}
    return FIGURES[name][1](choosing_records(files))
