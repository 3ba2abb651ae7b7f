"""What a measurement ran on: processor, usable cores, instruction sets, versions of the software.

No host, user or path names: records are published.
"""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from intaglio._system import usable_cores
from intaglio.provenance import VERSION

_CPUINFO = Path("/proc/cpuinfo")
_INSTRUCTION_SETS = (
    *("avx2", "fma", "f16c", "avx_vnni", "avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx512_bf16"),
    *("amx_tile", "amx_int8", "asimd", "asimddp", "i8mm", "sve"),
)


@dataclass(frozen=True)
class Machine:
    """A processor as the operating system names it, the cores this process may use, and what bears on speed."""

    cpu: str
    cores: int
    instruction_sets: tuple[str, ...]


def current_machine() -> Machine:
    """The machine of this process; names that the system does not give are ``"unknown"``."""
    text = _CPUINFO.read_text() if _CPUINFO.exists() else ""
    cpu = platform.processor() or platform.machine() or "unknown"
    return machine_from_cpuinfo(text, cpu, usable_cores())


def machine_from_cpuinfo(text: str, fallback: str, cores: int) -> Machine:
    """Read Linux's processor listing; `fallback` names the processor where the listing does not.

    >>> machine_from_cpuinfo("model name : Fast One\\nflags : fpu avx2 fma", "x86_64", 2)
    Machine(cpu='Fast One', cores=2, instruction_sets=('avx2', 'fma'))
    """
    fields: dict[str, str] = {}
    for line in text.splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip().lower(), value.strip())
    flags = set((fields.get("flags") or fields.get("features") or "").split())
    sets = tuple(name for name in _INSTRUCTION_SETS if name in flags)
    return Machine(fields.get("model name") or fallback, cores, sets)


def current_versions() -> dict[str, str]:
    """Versions of intaglio, Python, numpy, and of torch where it is loaded (it is never imported for this)."""
    versions = {
        "intaglio": VERSION,
        "python": platform.python_version(),
        "numpy": _installed("numpy"),
    }
    return versions | ({"torch": _installed("torch")} if "torch" in sys.modules else {})


def _installed(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"  # run from a source tree
