"""A few worker processes at a time, within a bound on their number and on their memory.

Knows tasks and messages, and nothing of records or files.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from typing import cast

from intaglio._system import process_context
from intaglio.errors import SpecError
from intaglio.sweep.worker import Failed, Finished, Message, Report, Task, work


@dataclass(frozen=True)
class Limits:
    """How many processes at most, the threads of each, and the memory of all together in bytes.

    A task that alone asks for more memory than there is runs alone.
    """

    workers: int
    threads: int
    memory: int

    def __post_init__(self) -> None:
        if min(self.workers, self.threads, self.memory) < 1:
            raise SpecError(
                f"{self.workers} workers of {self.threads} threads in {self.memory} bytes; give at least 1 of each."
            )


@dataclass(frozen=True)
class Update:
    """A message of a task, and the seconds since it was started. `message` None means that it starts now."""

    index: int
    message: Message | None
    seconds: float


@dataclass
class _Running:
    process: BaseProcess
    pipe: Connection
    memory: int
    began: float


def run_tasks(tasks: Sequence[Task], memories: Sequence[int], limits: Limits) -> Iterator[Update]:
    """Run every task in a process of its own, in order as memory allows, and yield their results.

    `memories` are the bytes that each is expected to take. Each task ends with one `Finished` or `Failed`, whatever
    happens to its process. When the iteration is given up, all processes are ended.
    """
    context = process_context(["intaglio.sweep.execute"])
    waiting = deque(range(len(tasks)))
    running: dict[int, _Running] = {}
    try:
        while waiting or running:
            while waiting and _fits(memories[waiting[0]], running, limits):
                index = waiting.popleft()
                running[index] = _start(context, tasks[index], memories[index])
                yield Update(index, None, 0.0)
            yield from _listen(running)
    finally:
        for worker in running.values():
            worker.process.kill()
            worker.process.join()


def _fits(memory: int, running: dict[int, _Running], limits: Limits) -> bool:
    if not running:
        return True
    used = sum(worker.memory for worker in running.values())
    return len(running) < limits.workers and used + memory <= limits.memory


def _start(context: ForkServerContext | SpawnContext, task: Task, memory: int) -> _Running:
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(task, theirs), daemon=True)
    process.start()
    # Closed here so that the end of the process is the end of the pipe.
    theirs.close()
    return _Running(process, ours, memory, time.monotonic())


def _listen(running: dict[int, _Running]) -> Iterator[Update]:
    """Wait for the next messages; tasks that ended leave `running`."""
    index_of = {worker.pipe: index for index, worker in running.items()}
    for pipe in wait(list(index_of)):
        pipe = cast(Connection, pipe)  # of another class on Windows
        index = index_of[pipe]
        worker = running[index]
        message = _receive(worker)
        if not isinstance(message, Report):
            worker.process.join()
            pipe.close()
            del running[index]
        yield Update(index, message, time.monotonic() - worker.began)


def _receive(worker: _Running) -> Report | Finished | Failed:
    try:
        message: Report | Finished | Failed = worker.pipe.recv()
    except (EOFError, OSError):
        worker.process.join()
        return Failed(
            f"the process of the cell ended with exit status {worker.process.exitcode} and no word; "
            "-9 is mostly the system's answer to too little memory: run fewer workers."
        )
    return message
