"""Matplotlib figures as inline SVG that takes its colours and font from the page, in light and in dark.

Figures are drawn in the stand-in colours below; each becomes a CSS variable. What is drawn is `plots.py`.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

INK, MUTED, RULE, PAPER, FLOAT, QUANTIZED = (f"#0102{index:02x}" for index in range(3, 9))
"""Stand-ins for text, secondary text, lines, background, and the two colours that things have."""

_VARIABLES = dict(
    zip(
        (INK, MUTED, RULE, PAPER, FLOAT, QUANTIZED),
        ("--ink", "--muted", "--rule", "--paper", "--float", "--quantized"),
        strict=True,
    )
)
_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.size": 10.0,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": RULE,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "figure.facecolor": "none",
    "hatch.linewidth": 0.8,
    "legend.frameon": False,
}


@contextmanager
def drawing(name: str, width: int | float, height: int | float) -> Iterator[Figure]:
    """A figure to draw on, `width` x `height` CSS pixels, in the page's style; `name` makes its output repeatable."""
    with mpl.rc_context(cast(Any, _STYLE | {"svg.hashsalt": name})):
        figure = Figure(figsize=(width / 72, height / 72), layout="constrained")
        FigureCanvasSVG(figure)
        yield figure


def to_svg(figure: Figure, name: str, label: str) -> Markup:
    """The figure as an ``<svg>`` element for a page; call it inside `drawing`.

    Identifiers get `name` in front, so that several figures can stand on one page; `label` is its text for those who
    do not see it.
    """
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'id="([^"]+)"', rf'id="{name}-\1"', text)
    text = re.sub(r'(url\(|href=")#', rf"\1#{name}-", text)
    text = re.sub(r"'DejaVu Sans'[^;\"]*", "var(--font)", text)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    return Markup(re.sub(r"<svg [^>]*>", lambda found: _opening(found.group(), label), text, count=1))


def _opening(tag: str, label: str) -> str:
    """The opening tag: scales with its column, up to its own size and a third more."""
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', tag)
    assert box, "matplotlib writes a view box that begins at the origin"
    width, height = box.groups()
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}" class="plot" '
        f'style="max-width:{float(width) * 4 / 3:.0f}px" xmlns:xlink="http://www.w3.org/1999/xlink">'
    )
