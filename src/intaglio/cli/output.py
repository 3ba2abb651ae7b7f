"""What commands print and write: tables and lines on standard output, results as JSON."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from intaglio._atomic import make_folder, write_text_atomic
from intaglio.errors import OutputError

JsonOption = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Also write the results to this JSON file.")
]

OnOption = Annotated[
    str | None,
    typer.Option(metavar="ray[:ADDRESS]", help="Run on a Ray cluster; without an address, on a local one."),
]

_LOGGER = logging.getLogger(__name__)

_PLAIN_WIDTH = 160  # columns where nobody's terminal sets a limit, so that tables in files are not folded


def say(text: str) -> None:
    """Print a line on standard output, as it is."""
    print(text)


def announce(text: str) -> None:
    """Tell a person at a terminal what is about to happen, on standard error; anyone else hears of it with ``-v``."""
    if sys.stderr.isatty():
        print(text, file=sys.stderr)
    else:
        _LOGGER.info(text)


def show_table(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str | None = None) -> None:
    """Print a table: the first column to the left, numbers to the right."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, width=None if os.isatty(1) else _PLAIN_WIDTH)
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index and _is_number(rows, index) else "left")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _is_number(rows: Sequence[Sequence[str]], column: int) -> bool:
    return all(not row[column] or row[column][0] in "-+0123456789x" for row in rows)


def write_json(path: Path | None, content: dict[str, Any]) -> None:
    """Write results where ``--json`` asked for them. Raises: OutputError."""
    if path is not None:
        write_text_atomic(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def require_place(*paths: Path | None) -> None:
    """Find out before the work, not after it, that a result cannot be written.

    Raises: OutputError if a folder is missing or closed to us, or a path is a folder or device (remedy in the message).
    """
    for path in paths:
        if path is None:
            continue
        folder = path.absolute().parent
        if path.exists() and not path.is_file():
            raise OutputError(f"Cannot write {path}: it is a folder or a device; name a regular file.")
        if not folder.is_dir():
            raise OutputError(f"Cannot write {path}: there is no folder {folder}; create it first or correct the path.")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise OutputError(f"Cannot write {path}: no permission in {folder}; choose a folder that you may write to.")


def require_folder(path: Path) -> None:
    """Make a folder that results go into, before the work. Raises: OutputError where that cannot be."""
    make_folder(path)
    require_place(path / "any")


def size_text(count: int) -> str:
    """Bytes for people, in decimal units.

    >>> size_text(818_960)
    '819.0 kB'
    """
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}" if unit == "kB" else f"{count / factor:.2f} {unit}"
    return f"{count} B"


def duration_text(seconds: float) -> str:
    """Seconds for people.

    >>> duration_text(0.5), duration_text(75.0), duration_text(7200.0)
    ('0.50 s', '1 min 15 s', '2 h 00 min')
    """
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
