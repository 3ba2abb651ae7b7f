"""A repository as a new user meets it: cloned into an empty folder, its two commands run, each instruction set forced.

The environment of the commands holds nothing but paths, the language and what a package index needs. The first
instruction set pays for the installation; the others run in the same clone. For lower ones torch and oneDNN are limited
alike, as on a processor that has no more. Each step is a record of its own as it ends; exit status 1 if one failed.
``python benchmarks/fresh_clone.py --isa native avx2 portable --records FILE.jsonl``
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType

from intaglio.evaluate import Record, append_records

LIMITS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "native": {},
        "avx512vnni": {"INTAGLIO_ISA": "avx512vnni", "ONEDNN_MAX_CPU_ISA": "AVX512_CORE_VNNI"},
        "avx512": {"INTAGLIO_ISA": "avx512", "ONEDNN_MAX_CPU_ISA": "AVX512_CORE"},
        "avxvnni": {"INTAGLIO_ISA": "avxvnni", "ONEDNN_MAX_CPU_ISA": "AVX2_VNNI", "ATEN_CPU_CAPABILITY": "avx2"},
        "avx2": {"INTAGLIO_ISA": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"},
        "portable": {"INTAGLIO_ISA": "portable", "ONEDNN_MAX_CPU_ISA": "SSE41", "ATEN_CPU_CAPABILITY": "default"},
    }
)
"""How the core, oneDNN and torch are told of each instruction set."""

KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "CXX", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")
KEPT_BEGINNINGS = ("PIP_", "HTTP_", "HTTPS_", "NO_PROXY", "http_", "https_", "no_proxy")
SHOWN = 30
"""Lines of a failed step that are printed."""


@dataclass(frozen=True)
class Step:
    """What a command took: seconds of wall clock and of all processors, and its last lines."""

    passed: bool
    seconds: float
    processor_seconds: float
    last_line: str


def run(folder: Path, words: Sequence[str], environment: Mapping[str, str]) -> Step:
    """Run a command in a folder; what it says is printed where it fails."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(
        words, cwd=folder, env=dict(environment), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    lines = done.stdout.strip().splitlines() or [""]
    if done.returncode:
        print("\n".join(lines[-SHOWN:]), file=sys.stderr)
    return Step(done.returncode == 0, round(seconds, 1), round(spent, 1), lines[-1])


def main(words: Sequence[str] | None = None) -> int:
    """Clone, run, record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", nargs="?", default=str(Path(__file__).parents[1]), help="repository to clone")
    parser.add_argument("--isa", nargs="+", choices=LIMITS, default=["native", "avx2", "portable"])
    parser.add_argument("--commands", nargs="+", default=["demo", "test"], help="targets of make, in this order")
    parser.add_argument("--folder", type=Path, help="clone here, and leave the clone; a temporary folder if left out")
    parser.add_argument("--note", default="", help="what else there is to know of the machine meanwhile")
    parser.add_argument("--records", type=Path, help="JSONL file to append to")
    arguments = parser.parse_args(words)
    if arguments.folder is not None:
        return 0 if measured(arguments, arguments.folder) else 1
    with tempfile.TemporaryDirectory() as name:
        return 0 if measured(arguments, Path(name) / "clone") else 1


def measured(arguments: argparse.Namespace, clone: Path) -> bool:
    """Whether all steps passed; each is recorded as it ends."""
    plain = {key: value for key, value in os.environ.items() if key in KEPT or key.startswith(KEPT_BEGINNINGS)}
    cloned = run(Path.cwd(), ["git", "clone", "-q", "--no-hardlinks", arguments.source, str(clone)], plain)
    if not cloned.passed:
        return False
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=clone, capture_output=True, text=True, check=True)
    passed = True
    for position, isa in enumerate(arguments.isa):
        for command in arguments.commands:
            step = run(clone, ["make", command], plain | LIMITS[isa])
            passed = passed and step.passed
            print(f"{isa}: make {command} {'passed' if step.passed else 'FAILED'} in {step.seconds} s", flush=True)
            settings = {"commit": commit.stdout.strip(), "isa": isa, "installs": position == 0}
            record = Record(
                kind="clone",
                network="none",
                scale=1,
                method=f"make {command}",
                settings=settings,
                protocol=None,
                seconds=step.seconds,
                extra=asdict(step) | {"clone_seconds": cloned.seconds, "note": arguments.note},
            )
            if arguments.records is not None:
                append_records(arguments.records, [record])
    return passed


if __name__ == "__main__":
    sys.exit(main())
