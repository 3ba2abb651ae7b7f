"""Running a plan: finished cells are skipped, the others are run by a pool and written down one by one.

The process that runs the sweep is the only one that writes records.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from intaglio.errors import MethodError
from intaglio.sweep.cell import Cell
from intaglio.sweep.estimate import Estimates
from intaglio.sweep.events import Event, State, Watch
from intaglio.sweep.on_cluster import run_on_cluster
from intaglio.sweep.plan import Plan
from intaglio.sweep.pool import Limits, Update, run_tasks
from intaglio.sweep.store import Store
from intaglio.sweep.worker import Failed, Finished, Report, Task


@dataclass(frozen=True)
class Work:
    """A cell with the test sets that it still has to be measured on."""

    cell: Cell
    datasets: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """How a sweep went: numbers of cells, and the failures with their errors."""

    done: int
    skipped: int
    failures: tuple[tuple[Cell, str], ...]

    def require(self) -> None:
        """Raises: MethodError if a cell failed (the run folder has the details; the next run tries it again)."""
        if self.failures:
            cell, message = self.failures[0]
            raise MethodError(f"{len(self.failures)} cells failed, first {cell.label}: {message}")


def unfinished(cells: Sequence[Cell], keys: frozenset[str]) -> tuple[Work, ...]:
    """The cells that lack records, each with the test sets it lacks; `keys` are those of the records there are."""
    work = (Work(cell, tuple(name for name in cell.datasets if cell.key(name) not in keys)) for cell in cells)
    return tuple(item for item in work if item.datasets)


def run_sweep(
    plan: Plan,
    store: Store,
    limits: Limits,
    watch: Watch = lambda event: None,
    device: str = "cpu",
    on: str = "",
) -> Outcome:
    """Run what a plan still lacks and append its records to the store.

    Killed at any moment and started again, it ends with the records of an unbroken run: those of finished cells
    stand, a cell under distillation goes on from its state, and no cell is measured twice. A failing cell is written
    to the run folder and does not stop the others; the next run tries it again. Torch computes on `device`, which is no
    part of a cell's identity. With `on`, cells run on a cluster (`intaglio.cluster.connected`).

    Raises: ResumeError if another process runs a sweep on the same records; OutputError if they cannot be written.
    """
    with store.locked():
        store.mend()
        records = store.records()
        work = unfinished(plan.cells, frozenset(record.key() for record in records))
        busy = {item.cell.content_hash for item in work}
        for cell in plan.cells:
            if cell.content_hash not in busy:
                watch(Event(cell, State.SKIPPED))
        estimates = Estimates.from_records(records, plan.folders.data)
        tasks = [
            Task(item.cell, item.datasets, plan.folders.data, store.cell_folder(item.cell), limits.threads, device)
            for item in work
        ]
        memories = [estimates.cell(item.cell, item.datasets, limits.threads).memory for item in work]
        failures = []
        updates = run_on_cluster(tasks, memories, on) if on else run_tasks(tasks, memories, limits)
        for update in updates:
            event = _event(tasks[update.index].cell, update)
            if isinstance(update.message, Finished):
                store.finish(event.cell, update.message.records)
            elif isinstance(update.message, Failed):
                store.fail(event.cell, update.message)
                failures.append((event.cell, update.message.message))
            watch(event)
    return Outcome(len(work) - len(failures), len(plan.cells) - len(work), tuple(failures))


def _event(cell: Cell, update: Update) -> Event:
    message = update.message
    if isinstance(message, Finished):
        return Event(cell, State.DONE, update.seconds)
    if isinstance(message, Failed):
        return Event(cell, State.FAILED, update.seconds, message=message.message)
    if isinstance(message, Report):
        position, total = message.position, message.total
        return Event(cell, State.RUNNING, update.seconds, message.stage, position, total, message.figure)
    return Event(cell, State.RUNNING)
