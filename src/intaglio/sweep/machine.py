"""How many workers this machine bears: cores, threads and memory."""

from __future__ import annotations

from pathlib import Path

from intaglio.evaluate import usable_cores
from intaglio.sweep.pool import Limits

_MEMINFO = Path("/proc/meminfo")
_SHARE = 0.8
_UNKNOWN_MEMORY = 8 << 30


def available_memory() -> int:
    """Bytes that new processes may take without swapping; 8 GiB where the system does not say."""
    lines = _MEMINFO.read_text().splitlines() if _MEMINFO.exists() else []
    values = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(values[0]) * 1024 if values else _UNKNOWN_MEMORY


def default_limits(workers: int | None = None, threads: int | None = None, memory: int | None = None) -> Limits:
    """One worker a core with one thread each, in four fifths of the free memory, but for what is given.

    Cells are independent, so whole cells side by side use cores better than threads inside one.

    >>> default_limits(workers=2, threads=3, memory=1)
    Limits(workers=2, threads=3, memory=1)
    """
    cores = usable_cores()
    count = workers or max(1, cores // (threads or 1))
    return Limits(count, threads or max(1, cores // count), memory or int(available_memory() * _SHARE))
