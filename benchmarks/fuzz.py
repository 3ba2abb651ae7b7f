"""Mutated programs fed to the core under sanitizers, in pieces that are recorded as they finish.

The driver of ``scripts/sanitize.sh`` makes program number s from the seed s alone, so that a run that was ended goes on
where it stopped: pieces that `--records` holds for the same commit are passed over. Where a program does harm, its seed
is found by halving and named, and the exit status is 1.
``python benchmarks/fuzz.py --programs 100000 --records results/fuzz.jsonl``
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from intaglio.evaluate import Record, append_records, known_records

SANITIZERS = "address,undefined"
_LAST = re.compile(r"(\d+) programs ran \((\d+) Swin blocks fused in them\), (\d+) were refused")


@dataclass(frozen=True)
class Driver:
    """The fuzz driver of a checkout, and what it was made from and by."""

    program: Path
    commit: str
    compiler: str


def build(tree: Path) -> Driver:
    """Compile the driver of a checkout. Raises: CalledProcessError where that fails."""
    subprocess.run(["sh", tree / "scripts/sanitize.sh", "0"], check=True, stdout=subprocess.DEVNULL)
    changed = ["git", "-C", str(tree), "status", "--porcelain", "--", "csrc", "CMakeLists.txt"]
    if subprocess.run(changed, capture_output=True, text=True, check=True).stdout:
        sys.exit(f"{tree}/csrc has changes that no commit holds; commit them first.")
    commit = subprocess.run(["git", "-C", str(tree), "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    compiler = subprocess.run(["c++", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    return Driver(tree / "build/sanitize/intaglio_fuzz", commit.stdout.strip(), compiler)


def run(driver: Driver, first: int, programs: int) -> tuple[int, int, int] | str:
    """How many programs ran, how many Swin blocks were fused in them, how many were refused; or what went wrong."""
    done = subprocess.run([driver.program, str(programs), str(first)], capture_output=True, text=True)
    found = _LAST.search(done.stdout)
    if found is None:
        return done.stderr or f"exit status {done.returncode}"
    ran, fused, refused = map(int, found.groups())
    return ran, fused, refused


def culprit(driver: Driver, first: int, programs: int) -> int:
    """The seed of the first program of a piece that does harm, where one does."""
    while programs > 1:
        half = programs // 2
        if isinstance(run(driver, first, half), str):
            programs = half
        else:
            first, programs = first + half, programs - half
    return first


def record_of(driver: Driver, first: int, programs: int) -> Record:
    """A piece without its results."""
    settings = {"commit": driver.commit, "first_seed": first, "programs": programs, "sanitizers": SANITIZERS}
    return Record(kind="fuzz", network="none", scale=1, method="mutated programs", settings=settings, protocol=None)


def main(words: Sequence[str] | None = None) -> int:
    """Run what is not recorded yet, until `--seconds` have passed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tree", type=Path, nargs="?", default=Path(), help="a checkout; this folder if left out")
    parser.add_argument("--programs", type=int, default=100_000)
    parser.add_argument("--piece", type=int, default=10_000, help="programs in one record")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no piece after so long")
    parser.add_argument("--records", type=Path, required=True, help="JSONL file to append to")
    arguments = parser.parse_args(words)
    driver = build(arguments.tree)
    began = time.monotonic()
    known = {record.key() for record in known_records(arguments.records)}
    for first in range(0, arguments.programs, arguments.piece):
        programs = min(arguments.piece, arguments.programs - first)
        asked = record_of(driver, first, programs)
        if asked.key() in known:
            continue
        if time.monotonic() - began > arguments.seconds:
            print(f"{arguments.programs - first} programs are left; the same command goes on.")
            return 0
        started = time.monotonic()
        found = run(driver, first, programs)
        if isinstance(found, str):
            seed = culprit(driver, first, programs)
            print(f"{found}\nprogram {seed} does harm: {driver.program} 1 {seed}", file=sys.stderr)
            return 1
        _keep(arguments.records, driver, (first, programs), found, time.monotonic() - started)
    return 0


def _keep(records: Path, driver: Driver, piece: tuple[int, int], found: tuple[int, int, int], seconds: float) -> None:
    ran, fused, refused = found
    extra = {"ran": ran, "swin_blocks_fused": fused, "refused": refused, "crashed": 0, "compiler": driver.compiler}
    append_records(records, [replace(record_of(driver, *piece), seconds=round(seconds, 1), extra=extra)])
    print(f"seeds {piece[0]} to {piece[0] + piece[1] - 1}: {ran} ran, {refused} refused, {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
