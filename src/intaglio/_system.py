"""What operating systems do differently: cores, memory, locks and processes, each with a form for all of them.

Modules that exist on one system only are imported here and nowhere else, inside the functions that need them.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from multiprocessing.context import ForkServerContext, SpawnContext


def usable_cores() -> int:
    """How many cores this process may run on (its affinity, where the system has such a thing)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def peak_memory() -> int | None:
    """Most bytes of memory that this process ever held; None where the system does not tell (Windows)."""
    try:
        import resource
    except ImportError:
        return None
    # Kilobytes on Linux and the BSDs, bytes on macOS.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def lock_file(descriptor: int) -> None:
    """Lock an open file for this process alone, until it is closed or the process ends.

    Raises: BlockingIOError if another process holds it.
    """
    try:
        import fcntl
    except ImportError:
        _lock_windows(descriptor)
        return
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _lock_windows(descriptor: int) -> None:
    import importlib

    msvcrt = importlib.import_module("msvcrt")  # not by name: type checkers know it on Windows only
    try:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    except OSError as error:
        raise BlockingIOError(*error.args) from error


def process_context(preload: list[str]) -> ForkServerContext | SpawnContext:
    """How worker processes start: from a server that has imported `preload`, or each afresh where there is none."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(preload)
    return context
