"""What compiling the core costs: processor seconds of each file of a clean build, without any cache of compilations.

The folders that are named are built one after another, as often as `--rounds` says, in turns, so that what else the
machine does meets all of them. ``python benchmarks/build.py . ../before --records results/build.jsonl``
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

LAUNCH = "--launch"


def launch(log: str, command: Sequence[str]) -> int:
    """Run a compiler and note the processor seconds and the name of what it makes."""
    process = subprocess.Popen(command)
    _, status, used = os.wait4(process.pid, 0)
    made = command[command.index("-o") + 1] if "-o" in command else command[-1]
    with Path(log).open("a") as stream:
        stream.write(f"{used.ru_utime + used.ru_stime:.3f} {made}\n")
    return os.waitstatus_to_exitcode(status)


def build(source: Path, *, probe: bool) -> dict[str, float]:
    """Processor seconds of each object file, in the order in which they were done."""
    with tempfile.TemporaryDirectory() as name:
        log = Path(name) / "log"
        launcher = f"{sys.executable};{Path(__file__).resolve()};{LAUNCH};{log}"
        words = (f"-DCMAKE_CXX_COMPILER_LAUNCHER={launcher}", f"-DPython_EXECUTABLE={sys.executable}")
        options = (*words, f"-DINTAGLIO_PROBE={'ON' if probe else 'OFF'}")
        environment = os.environ | {"CCACHE_DISABLE": "1"}
        for command in (
            ["cmake", "-S", source, "-B", f"{name}/build", "-G", "Ninja", *options],
            ["cmake", "--build", f"{name}/build", "--parallel", "2"],
        ):
            subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL, env=environment)
        rows = [line.split(" ", 1) for line in log.read_text().splitlines()]
    return {_short(made): float(seconds) for seconds, made in rows}


def _short(made: str) -> str:
    """`csrc/isa/avx2.cc` from CMake's name of its object file; what is nanobind's by the name of its file."""
    inner = made.partition(".dir/")[2].removesuffix(".o")
    return f"nanobind {Path(inner).name}" if "nanobind" in made else inner


def main() -> None:
    """Print a table for each folder, and write a record for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", type=Path, nargs="+", help="folders of the repository, the first is this version")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--probe", action="store_true", help="with what tests look inside the block with")
    parser.add_argument("--note", default="", help="what else there is to know of the machine meanwhile")
    parser.add_argument("--records", type=Path)
    arguments = parser.parse_args()
    runs: dict[Path, list[dict[str, float]]] = {source: [] for source in arguments.sources}
    for _ in range(arguments.rounds):
        for source, found in runs.items():
            found.append(build(source, probe=arguments.probe))
    for source, found in runs.items():
        least = min(found, key=lambda run: sum(run.values()))
        rows = sorted(least.items(), key=lambda row: -row[1])
        print(f"{source.resolve().name}: {sum(least.values()):.1f} processor seconds, {len(rows)} files")
        for name, seconds in rows[:20]:
            print(f"  {seconds:7.2f}  {name}")
        if arguments.records is not None:
            _write(arguments, source, least)


def _write(arguments: argparse.Namespace, source: Path, run: dict[str, float]) -> None:
    from intaglio.evaluate import Record, append_records

    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=source, capture_output=True, text=True, check=True)
    compiler = subprocess.run(["c++", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    record = Record(
        kind="build",
        network="none",
        scale=1,
        method="compile",
        settings={"commit": commit.stdout.strip(), "probe": arguments.probe, "rounds": arguments.rounds},
        protocol=None,
        seconds=sum(run.values()),
        extra={"compiler": compiler, "files": run, "note": arguments.note},
    )
    append_records(arguments.records, [record])


if __name__ == "__main__":
    if sys.argv[1:2] == [LAUNCH]:
        sys.exit(launch(sys.argv[2], sys.argv[3:]))
    main()
