"""The live table of a sweep on a terminal, and plain lines elsewhere; both on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from intaglio.cli.output import duration_text
from intaglio.sweep import Cell, Event, Outlook, State
from intaglio.sweep.events import Watch

REDRAW_EVERY = 0.25
"""Least seconds between two drawings of the table."""


def cell_labels(cells: Sequence[Cell]) -> Mapping[str, str]:
    """A label for each cell by its hash, with the settings in which it differs from cells of the same method."""
    values: dict[tuple[str, str], set[Any]] = {}
    for cell in cells:
        for key, value in cell.settings:
            values.setdefault((cell.method, key), set()).add(value)
    return {
        cell.content_hash: " ".join(
            (cell.label, *(f"{key}={value}" for key, value in cell.settings if len(values[cell.method, key]) > 1))
        )
        for cell in cells
    }


@contextmanager
def shown_sweep(outlook: Outlook, labels: Mapping[str, str]) -> Iterator[Watch]:
    """Something to tell the events of a sweep to, which shows them in the way that fits standard error."""
    if not sys.stderr.isatty():
        yield plain_lines(outlook, labels, lambda line: print(line, file=sys.stderr, flush=True))
        return
    drawn = 0.0
    with Live(sweep_table(outlook, labels), console=Console(stderr=True), auto_refresh=False) as live:

        def watch(event: Event) -> None:
            nonlocal drawn
            outlook.hear(event)
            if event.state is State.FAILED:
                live.console.print(f"failed: {labels[event.cell.content_hash]}: {event.message}", markup=False)
            if event.state is not State.RUNNING or time.monotonic() - drawn > REDRAW_EVERY:
                drawn = time.monotonic()
                live.update(sweep_table(outlook, labels), refresh=True)

        yield watch


def plain_lines(outlook: Outlook, labels: Mapping[str, str], write: Callable[[str], None]) -> Watch:
    """A line for each cell that ends, with how many are done and the time left."""

    def watch(event: Event) -> None:
        outlook.hear(event)
        if event.state in (State.DONE, State.FAILED):
            what = f"{event.state.value}: {labels[event.cell.content_hash]}"
            reason = f": {event.message}" if event.message else ""
            write(f"{what} in {duration_text(event.seconds)}{reason}; {counts_text(outlook)}")

    return watch


def counts_text(outlook: Outlook) -> str:
    """How many cells stand where, and the time left, in one line."""
    counts = outlook.counts
    parts = (
        f"{counts[State.DONE]} done",
        f"{counts[State.SKIPPED]} there before",
        f"{len(outlook.running)} running",
        f"{outlook.waiting} waiting",
        f"{counts[State.FAILED]} failed",
        f"about {duration_text(outlook.left())} left",
    )
    return ", ".join(parts)


def sweep_table(outlook: Outlook, labels: Mapping[str, str]) -> Table:
    """A row for each running cell under the counts."""
    table = Table(title=counts_text(outlook), title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("running cell", "stage", "of it", "figure", "time"):
        table.add_column(name, no_wrap=True)
    for key, event in outlook.running.items():
        share = f"{event.position}/{event.total}" if event.total else ""
        table.add_row(labels[key], event.stage, share, event.figure, duration_text(event.seconds))
    return table
