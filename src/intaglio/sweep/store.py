"""What a sweep keeps: its file of records, and a folder for what is unfinished.

Beside ``NAME.jsonl`` lies ``NAME.run/`` with the state of running cells, the failures, and a lock against a second
sweep.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from intaglio._atomic import append_bytes
from intaglio._system import lock_file
from intaglio.errors import OutputError, ResumeError
from intaglio.evaluate import Record, append_records, known_records
from intaglio.sweep.cell import Cell
from intaglio.sweep.worker import Failed


class Store:
    """The records of a sweep in a JSONL file, and its run folder beside it.

    Several sweeps may share a file of records one after another, not at the same time (see `locked`).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.folder = path.with_suffix(".run")

    @property
    def failures_path(self) -> Path:
        """Errors of cells, one JSON object a line; a later run tries those cells again."""
        return self.folder / "failures.jsonl"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run folder, made where it is missing; the lock goes with the process, even by SIGKILL.

        Raises: ResumeError if another sweep holds it; OutputError if the folder cannot be made.
        """
        try:
            self.folder.mkdir(exist_ok=True)
            lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise OutputError(f"cannot keep state in {self.folder} ({error}); write to another folder.") from error
        try:
            lock_file(lock)
            yield
        except BlockingIOError as error:
            raise ResumeError(f"another sweep writes {self.path}; wait for it or write another file.") from error
        finally:
            os.close(lock)

    def records(self) -> list[Record]:
        """All records so far; none where the file is missing. Raises: RecordError for a damaged line."""
        return known_records(self.path)

    def mend(self) -> None:
        """Cut off an unfinished last line, as a power failure leaves it; its cell is then done again."""
        if not self.path.exists():
            return
        content = self.path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole == len(content):
            return
        try:
            json.loads(content[whole:])
        except ValueError:
            os.truncate(self.path, whole)
        else:
            append_bytes(self.path, b"\n")

    def cell_folder(self, cell: Cell) -> Path:
        """A folder for the state of one cell, made where it is missing."""
        folder = self.folder / cell.content_hash
        folder.mkdir(exist_ok=True)
        return folder

    def finish(self, cell: Cell, records: Iterable[Record]) -> None:
        """Write the records of a cell, all or none, then forget its state."""
        append_records(self.path, records)
        shutil.rmtree(self.folder / cell.content_hash, ignore_errors=True)

    def fail(self, cell: Cell, failure: Failed) -> None:
        """Write down why a cell failed; its state stays, so that a later run goes on from it."""
        line = {
            "cell": cell.content_hash,
            "label": cell.label,
            "settings": dict(cell.settings),
            "error": failure.message,
            "details": failure.details,
        }
        append_bytes(self.failures_path, (json.dumps(line, ensure_ascii=False) + "\n").encode())
