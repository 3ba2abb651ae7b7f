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
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=False)
    return buffer.getvalue()


FIGURES: Mapping[str, tuple[str, Callable[[list[Record]], str]]] = MappingProxyType(
    {"loss-over-bytes": ("PSNR-Y lost against the size of the file, by network, method and width", loss_over_bytes)}
)
"""By name, what a figure shows and the function that draws it. A page asks for one by ``<!-- figure: NAME -->``."""


def drawn(name: str, root: Path) -> str:
    """A figure as SVG, from the records of a repository."""
    files = {path.stem: read_records(path) for path in sorted((root / "results").glob("*.jsonl"))}
    return FIGURES[name][1](choosing_records(files))
