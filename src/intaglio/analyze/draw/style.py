"""What all pictures share: colours that differ in lightness too, quiet axes, short names of sites, files.

Figures are made without pyplot, so that nothing global changes and no window can open.
"""

from __future__ import annotations

import io
import re
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from intaglio._atomic import write_bytes_atomic
from intaglio.spec import SiteName

BLUE, ORANGE, GRAY, INK = "#0072B2", "#D55E00", "#B8BEC4", "#22262A"
"""Blue and orange of Okabe and Ito, told apart by every kind of colour vision."""

WEIGHT, ACTIVATION = BLUE, ORANGE
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
SERIES = (BLUE, ORANGE, "#009E73", "#CC79A7", "#56B4E9", "#E69F00", INK, GRAY)
"""For several kinds in one picture; each has a marker of its own too."""

DPI = 150


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of that many inches, laid out without overlap."""
    return Figure(figsize=(width, height), layout="constrained")


def quiet(axes: Axes) -> None:
    """Only the left and lower frame, faint horizontal lines behind the data."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GRAY)
    axes.tick_params(colors=INK, labelsize=8, color=GRAY)
    axes.grid(axis="y", color=GRAY, alpha=0.35, linewidth=0.6)
    axes.set_axisbelow(True)


def short_name(site: SiteName) -> str:
    """A site's name without the words that every name of SwinIR repeats.

    >>> short_name("layers.0.residual_group.blocks.5.attn.qkv.q:weight")
    '0.5 qkv.q:weight'
    >>> short_name("body.3.conv1:input")
    'body.3.conv1:input'
    """
    match = re.fullmatch(r"layers\.(\d+)\.residual_group\.blocks\.(\d+)\.(?:attn|mlp)\.(.+)", site)
    return f"{match[1]}.{match[2]} {match[3]}" if match else site


def kind_of(site: SiteName) -> str:
    """What layers of several blocks have in common: the last name of the path, with its part, without numbers.

    >>> [kind_of(site) for site in ("layers.0.attn.qkv.q:weight", "body.3.conv1:weight", "tail.0:weight")]
    ['qkv.q', 'conv1', 'tail']
    """
    names = [name for name in site.partition(":")[0].split(".") if not name.isdigit()]
    parts = 2 if len(names) > 1 and len(names[-1]) == 1 else 1
    return ".".join(names[-parts:])


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG or SVG, by the ending of `path`, whole or not at all. Equal figures give equal bytes.

    Raises: OutputError.
    """
    buffer = io.BytesIO()
    kind = path.suffix.lstrip(".")
    with mpl.rc_context({"svg.hashsalt": "intaglio"}):
        figure.savefig(buffer, format=kind, dpi=DPI, metadata={"Date": None} if kind == "svg" else {"Software": None})
    write_bytes_atomic(path, buffer.getvalue())
