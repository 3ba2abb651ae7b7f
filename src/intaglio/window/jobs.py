"""Work that goes on while the page waits: one thread for pictures, one for quantizing, each job with its progress."""

from __future__ import annotations

import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from threading import Event, Lock
from typing import Any

from intaglio.errors import IntaglioError
from intaglio.progress import Advance

KEPT = 20_000
"""Jobs that are remembered; those before are forgotten, oldest first."""

_LOGGER = logging.getLogger(__name__)


class State(StrEnum):
    """How far a job is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Lane(StrEnum):
    """Which thread does a job; jobs of one lane run one after the other."""

    PICTURES = "pictures"
    QUANTIZING = "quantizing"


class CancelledError(Exception):
    """Ends a job from within, where it next reports its progress."""


@dataclass
class Job:
    """One piece of work. `result` is what the page gets when it is done; `note` is said while it runs.

    Written by the thread that does it, read by others: each field is replaced as a whole.
    """

    id: str
    state: State = State.WAITING
    stage: str = ""
    done: int = 0
    total: int = 0
    figure: str = ""
    note: str = ""
    began: float = 0.0
    result: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    stop: Event = field(default_factory=Event)

    @contextmanager
    def stage_of(self, name: str, total: int) -> Iterator[Advance]:
        """A stage of `total` units, each of which may be the last."""
        self.stage, self.total, self.done, self.figure, self.began = name, total, 0, "", time.monotonic()

        def advance(figure: str) -> None:
            self.done, self.figure = self.done + 1, figure
            self.require_wanted()

        self.require_wanted()
        yield advance

    def require_wanted(self) -> None:
        """Raises: CancelledError once nobody wants the job any more."""
        if self.stop.is_set():
            raise CancelledError

    def seconds_left(self) -> float | None:
        """What is left of the stage at the rate so far; None before the first unit is done."""
        if not self.done or self.state is not State.RUNNING:
            return None
        return (time.monotonic() - self.began) / self.done * (self.total - self.done)

    def told(self) -> dict[str, Any]:
        """What the page is told."""
        left = self.seconds_left()
        return {
            "id": self.id,
            "state": str(self.state),
            "stage": self.stage,
            "done": self.done,
            "total": self.total,
            "figure": self.figure,
            "note": self.note,
            "left": None if left is None else round(left, 1),
            "result": dict(self.result),
            "error": self.error,
        }


@dataclass(frozen=True)
class JobProgress:
    """A job as something that long work reports to; see `intaglio.progress.Progress`."""

    job: Job

    def stage(self, name: str, total: int) -> Any:
        """A stage of the job."""
        return self.job.stage_of(name, total)


Work = Callable[[Job], Mapping[str, Any]]


class Jobs:
    """All jobs of a window. What one of them raises is its error and ends no other."""

    def __init__(self) -> None:
        self._lanes = {lane: ThreadPoolExecutor(1, thread_name_prefix=str(lane)) for lane in Lane}
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._lock = Lock()

    def submit(self, lane: Lane, work: Work) -> Job:
        """Begin a job as soon as those before it in its lane have ended."""
        job = Job(secrets.token_hex(8))
        with self._lock:
            self._jobs[job.id] = job
            while len(self._jobs) > KEPT:
                self._jobs.popitem(last=False)
        self._lanes[lane].submit(_run, job, work)
        return job

    def get(self, name: str) -> Job | None:
        """The job of that id."""
        return self._jobs.get(name)

    def close(self) -> None:
        """Cancel what waits and ask what runs to end."""
        with self._lock:
            for job in self._jobs.values():
                job.stop.set()
        for pool in self._lanes.values():
            pool.shutdown(wait=True, cancel_futures=True)


def _run(job: Job, work: Work) -> None:
    try:
        job.require_wanted()
        job.state = State.RUNNING
        job.result = work(job)
        job.state = State.DONE
    except CancelledError:
        job.state = State.CANCELLED
    except Exception as error:  # whatever one job does must not end the window
        known = isinstance(error, IntaglioError)
        if not known:
            _LOGGER.exception("a job failed")
        reason = str(error) if known else "not enough memory" if isinstance(error, MemoryError) else repr(error)
        job.error = " ".join(reason.split())
        job.state = State.FAILED
