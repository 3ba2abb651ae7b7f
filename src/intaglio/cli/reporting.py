"""Writing a report's page, and saying where it is."""

from __future__ import annotations

from pathlib import Path

from intaglio._atomic import write_text_atomic
from intaglio.cli.guarding import say_verdict
from intaglio.cli.output import say, size_text
from intaglio.report import Content, render


def write_page(content: Content, output: Path) -> None:
    """Render and write the page, whole or not at all, and say where it is."""
    page = render(content)
    write_text_atomic(output, page)
    say(f"{output}: {size_text(len(page.encode()))}, one file; open it in a browser")
    if content.verdict is not None:
        say_verdict(content.verdict)
