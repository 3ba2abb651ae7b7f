"""Progress shown to people: bars with time left on a terminal, a plain line now and then elsewhere.

Everything goes to standard error, so that standard output holds results only.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from intaglio.cli.logs import is_quiet
from intaglio.cli.output import duration_text
from intaglio.progress import Advance, Progress, Silent

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

_LOGGER = logging.getLogger(__name__)

LINE_EVERY = 20.0
"""Seconds between two plain lines of one stage."""


@contextmanager
def shown_progress() -> Iterator[Progress]:
    """Something that shows progress on standard error in the way that fits it; nothing where ``-q`` asks for that."""
    if is_quiet():
        yield Silent()
        return
    if not sys.stderr.isatty():
        yield LoggedProgress(PlainProgress(lambda line: print(line, file=sys.stderr, flush=True)))
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description:<14}"),
        BarColumn(bar_width=32),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[figure]}"),
    )
    with Bars(*columns, console=Console(stderr=True)) as bars:
        yield LoggedProgress(BarProgress(bars))


class LoggedProgress:
    """Shows stages elsewhere, and logs what each took."""

    def __init__(self, shown: Progress) -> None:
        self._shown = shown

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Advance]:
        """A stage of `total` units."""
        began = time.monotonic()
        with self._shown.stage(name, total) as advance:
            yield advance
        _LOGGER.info("%s: %d in %s", name, total, duration_text(time.monotonic() - began))


class BarProgress:
    """A bar for each stage."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Advance]:
        """A bar of `total` units."""
        task = self._bars.add_task(name, total=total, figure="")
        yield lambda figure: self._bars.update(task, advance=1, figure=figure)


class PlainProgress:
    """A line when a stage takes long, and then one every `LINE_EVERY` seconds with the time left."""

    def __init__(self, write: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._clock = clock

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Advance]:
        """Count `total` units."""
        began = written = self._clock()
        done = 0

        def advance(figure: str) -> None:
            nonlocal done, written
            done += 1
            now = self._clock()
            if now - written >= LINE_EVERY and done < total:
                written = now
                left = duration_text((now - began) / done * (total - done))
                self._write(f"{name}: {done}/{total}, {left} left{f', {figure}' if figure else ''}")

        yield advance
