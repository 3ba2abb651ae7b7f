"""From `Content` to one HTML page that needs nothing else: no network, no other file, no framework."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from intaglio.evaluate.artifacts import LIMITS, TILE
from intaglio.report.compare import BICUBIC, FLOAT, QUANTIZED, TRUTH, Views
from intaglio.report.content import Content, Row
from intaglio.report.pictures import DIFFERENCE_TOP, cut_tile, data_uri, difference_map, legend_colours, window_around
from intaglio.report.plots import distribution, rate_distortion, sensitivity

DIFFERENCE = "difference"
SHOWN_SITES = 12
"""Lines of the site table that stand open; the others fold out."""

_TITLES = {
    BICUBIC: "bicubic",
    FLOAT: "float",
    QUANTIZED: "quantized",
    TRUTH: "ground truth",
    DIFFERENCE: "difference",
}


@dataclass(frozen=True)
class View:
    """One picture of the slider: the name it is chosen by, its title, its text for those who do not see it."""

    name: str
    title: str
    alt: str
    uri: str
    tile: str | None


def render(content: Content) -> str:
    """The page as text. Guarantee: the same content gives the same page.

    Raises: ImageError if a picture cannot be encoded.
    """
    environment = Environment(
        loader=PackageLoader("intaglio.report", "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"decibels": _decibels, "size": _size, "milliseconds": _milliseconds}
    environment.filters["breakable"] = _breakable
    return environment.get_template("report.html").render(content=content, **_parts(content))


def _parts(content: Content) -> dict[str, Any]:
    reference, ours = content.row("float"), content.row("quantized")
    plots = (
        rate_distortion(content.rows, "size", "kB on disk", lambda row: None if row.bytes is None else row.bytes / 1e3),
        rate_distortion(content.rows, "time", "ms a picture", lambda row: row.milliseconds),
    )
    sites = sorted(content.sites, key=lambda site: math.inf if site.alone_psnr is None else site.alone_psnr)
    return {
        "ours": ours,
        "reference": reference,
        "plots": [plot for plot in plots if plot],
        "sensitivity": sensitivity(content.sites),
        "sites": sites,
        "shown_sites": SHOWN_SITES,
        "distributions": [
            (shown.site, distribution(shown, f"dist{index}")) for index, shown in enumerate(content.distributions)
        ],
        "views": _views(content.views) if content.views else (),
        "legend": legend_colours(),
        "difference_top": f"{DIFFERENCE_TOP:g}",
        "limits": LIMITS,
        "tile_side": TILE,
        "loss": _difference(ours, reference),
    }


def _views(views: Views) -> tuple[View, ...]:
    """The pictures to choose from, the difference map last."""
    pictures = dict(views.pictures)
    if FLOAT in pictures:
        pictures[DIFFERENCE] = difference_map(pictures[QUANTIZED], pictures[FLOAT])
    tile = views.artifacts.tile if views.artifacts else None
    height, width, _ = views.pictures[QUANTIZED].shape
    part = window_around(height, width, tile)
    return tuple(
        View(
            name=name,
            title=_TITLES[name],
            alt=_alt(name, views.name),
            uri=data_uri(pictures[name][part]),
            tile=data_uri(cut_tile(pictures[name], tile)) if tile else None,
        )
        for name in _TITLES
        if name in pictures
    )


def _alt(name: str, picture: str) -> str:
    if name == DIFFERENCE:
        return f"Map of the luma difference between quantized and float, picture {picture}"
    return f"Picture {picture}, {_TITLES[name]}"


def _difference(ours: Row | None, reference: Row | None) -> float | None:
    if ours is None or reference is None or ours.psnr_y is None or reference.psnr_y is None:
        return None
    return ours.psnr_y - reference.psnr_y


def _decibels(value: float | None, digits: int = 2) -> str:
    if value is None:
        return "–"
    return "∞" if math.isinf(value) else f"{value:.{digits}f}"


def _size(count: int | None) -> str:
    if count is None:
        return "–"
    return f"{count / 1e6:.2f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"


def _milliseconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}" if value >= 10 else f"{value:.2f}"


def _breakable(name: str) -> Markup:
    """A dotted name that may be broken after its dots and colons."""
    return Markup(Markup.escape(name).replace(".", Markup(".<wbr>")).replace(":", Markup(":<wbr>")))
