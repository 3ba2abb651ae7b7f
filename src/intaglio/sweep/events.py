"""What a running sweep reports: values only, so that a terminal, a log and a test can all listen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from intaglio.sweep.cell import Cell


class State(StrEnum):
    """Where a cell stands."""

    SKIPPED = "skipped"
    """Its records were there already."""
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class Event:
    """Something happened to a cell.

    `stage`, `position`, `total` and `figure` describe the work of a running cell; `message` is the error of a failed
    one. Units: `seconds` since the cell was started.
    """

    cell: Cell
    state: State
    seconds: float = 0.0
    stage: str = ""
    position: int = 0
    total: int = 0
    figure: str = ""
    message: str = ""


Watch = Callable[[Event], None]
"""Called in the process that runs the sweep, one event at a time."""
