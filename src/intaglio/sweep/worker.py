"""The process of one cell: runs it, reports through a pipe, and dies with the sweep.

One process for each cell: what a cell does to memory, threads or a native core ends with it.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from intaglio.errors import IntaglioError
from intaglio.evaluate import Record
from intaglio.progress import Advance, Progress
from intaglio.sweep.cell import Cell

REPORT_EVERY = 0.2
"""Least seconds between two reports of progress."""


@dataclass(frozen=True)
class Task:
    """A cell and what its process needs: the test sets still to do, folders, threads, where torch computes."""

    cell: Cell
    datasets: tuple[str, ...]
    data: Path
    folder: Path
    threads: int
    device: str = "cpu"


@dataclass(frozen=True)
class Report:
    """How far a stage of a cell is."""

    stage: str
    position: int
    total: int
    figure: str


@dataclass(frozen=True)
class Finished:
    """The records of a cell."""

    records: tuple[Record, ...]


@dataclass(frozen=True)
class Failed:
    """Why a cell has no records; `details` is the traceback of an error that nobody foresaw."""

    message: str
    details: str = ""


Message = Report | Finished | Failed


class PipeProgress:
    """Reports progress through `send`, no more often than every `REPORT_EVERY` seconds."""

    def __init__(self, send: Callable[[Message], None]) -> None:
        self._send = send

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Advance]:
        """Count `total` units; the first report is sent at once."""
        done, sent = 0, time.monotonic()
        self._send(Report(name, 0, total, ""))

        def advance(figure: str) -> None:
            nonlocal done, sent
            done += 1
            if time.monotonic() - sent >= REPORT_EVERY:
                sent = time.monotonic()
                self._send(Report(name, done, total, figure))

        yield advance


def work(task: Task, pipe: Connection) -> None:
    """Main function of a cell's process. Every error becomes a message; the exit status is always 0."""
    # An interruption from the keyboard reaches the whole group; the sweep ends its workers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    pipe.send(outcome(task, PipeProgress(pipe.send)))
    pipe.close()


def outcome(task: Task, progress: Progress) -> Finished | Failed:
    """Run a cell in this process; every error becomes a message."""
    try:
        import torch

        from intaglio.sweep.execute import run_cell

        torch.set_num_threads(task.threads)
        records = run_cell(task.cell, task.datasets, task.data, task.folder, task.threads, progress, task.device)
        return Finished(tuple(records))
    except IntaglioError as error:
        return Failed(f"{type(error).__name__}: {error}")
    except Exception as error:
        return Failed(f"{type(error).__name__}: {error}", traceback.format_exc())


def _die_with_parent() -> None:
    """End this process when the sweep does, even by SIGKILL: an orphan would do a cell that the next run does
    again."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
