"""One engine before and after a change: two checkouts take turns (A B A B) on the same picture, each with its own file.

Each turn is a process of its own, pinned to as many cores as threads, which reports its fastest of some runs; the ratio
is the median over pairs of turns that follow each other. What the two make of the picture is compared sample by sample.
Both checkouts need their native core below ``src``. With ``--data FOLDER --set NAME`` the pictures of a test set are
compared instead, and the PSNR-Y of both is recorded; nothing is timed.
``python benchmarks/commits.py --before TREE MODEL --after TREE MODEL --commits OLD NEW --network NAME --scale 2 ...``
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np

from intaglio.evaluate import Dataset, Record, append_records, load_dataset, psnr_y

_TURN = """
import resource, sys, time
from pathlib import Path
import numpy as np
import intaglio
from intaglio.runtime.engine import load_engine
tree, model, output, size, threads, runs = *sys.argv[1:4], *map(int, sys.argv[4:])
if Path(tree) not in Path(intaglio.__file__).resolve().parents:
    sys.exit(f"another intaglio is installed ({intaglio.__file__}); run this in an environment without it")
engine = load_engine(model, backend="native", threads=threads)
tile = np.random.default_rng(0).integers(0, 256, (size // 8 + 1, size // 8 + 1, 3), dtype=np.uint8)
image = np.ascontiguousarray(tile.repeat(8, 0).repeat(8, 1)[:size, :size])
np.save(output, engine(image))
engine(image)
seconds = []
for _ in range(runs):
    start = time.perf_counter()
    engine(image)
    seconds.append(time.perf_counter() - start)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(min(seconds), engine.native.memory(size, size), peak, engine.native.isa)
"""

_SET = """
import sys
from pathlib import Path
import numpy as np
import intaglio
from intaglio.runtime.engine import load_engine
tree, model, source, target, threads = sys.argv[1:]
if Path(tree) not in Path(intaglio.__file__).resolve().parents:
    sys.exit(f"another intaglio is installed ({intaglio.__file__}); run this in an environment without it")
engine = load_engine(model, backend="native", threads=int(threads))
for file in sorted(Path(source).glob("*.npy")):
    np.save(Path(target) / file.name, engine(np.load(file)))
print(engine.native.isa)
"""


@dataclass(frozen=True)
class Side:
    """A checkout and its packed model."""

    tree: Path
    model: Path


@dataclass(frozen=True)
class Turn:
    """One turn: the fastest run in seconds, bytes of maps and scratch, peak bytes of the process, instruction set."""

    seconds: float
    memory: int
    peak: int
    isa: str


def run_side(side: Side, script: str, threads: int, *words: object) -> str:
    """What a script prints in a process of its own that sees one side's tree, on as many cores as threads."""
    tree = side.tree.resolve()
    cores = ",".join(map(str, sorted(os.sched_getaffinity(0))[:threads]))
    environment = {**os.environ, "PYTHONPATH": str(tree / "src"), "OMP_NUM_THREADS": str(threads)}
    command = ["taskset", "-c", cores, sys.executable, "-c", script, str(tree), str(side.model), *map(str, words)]
    return subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout


def take_turn(side: Side, output: Path, size: int, threads: int, runs: int) -> Turn:
    """Run one side in a process of its own; its picture goes to `output`."""
    seconds, memory, peak, isa = run_side(side, _TURN, threads, output, size, threads, runs).split()
    return Turn(float(seconds), int(memory), int(peak), isa)


def compare(before: Side, after: Side, size: int, threads: int, runs: int, pairs: int) -> dict[str, object]:
    """Turns of both sides, the ratio of their times pair by pair, and how many samples of their pictures differ."""
    turns: list[tuple[Turn, Turn]] = []
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder) / "before.npy", Path(folder) / "after.npy"
        for _ in range(pairs):
            turns.append(
                (take_turn(before, files[0], size, threads, runs), take_turn(after, files[1], size, threads, runs))
            )
        pictures = [np.load(file) for file in files]
    ratios = [new.seconds / old.seconds for old, new in turns]
    return {
        "ratio": median(ratios),
        "ratios": ratios,
        "seconds_before": median(old.seconds for old, _ in turns),
        "seconds_after": median(new.seconds for _, new in turns),
        "memory_before": turns[0][0].memory,
        "memory_after": turns[0][1].memory,
        "peak_before": max(old.peak for old, _ in turns),
        "peak_after": max(new.peak for _, new in turns),
        "isa": turns[0][1].isa,
        "samples": int(pictures[0].size),
        "samples_that_differ": int(np.count_nonzero(pictures[0] != pictures[1])),
        "load": os.getloadavg()[0],
    }


def compare_set(before: Side, after: Side, dataset: Dataset, threads: int) -> dict[str, object]:
    """PSNR-Y in dB of both sides on each picture of a test set, and how many samples of their pictures differ."""
    pairs = list(dataset)
    with tempfile.TemporaryDirectory() as name:
        source, *targets = (Path(name) / part for part in ("lr", "before", "after"))
        for folder in (source, *targets):
            folder.mkdir()
        for pair in pairs:
            np.save(source / f"{pair.name}.npy", pair.lr)
        for side, target in zip((before, after), targets, strict=True):
            isa = run_side(side, _SET, threads, source, target, threads).strip()
        made = [{pair.name: np.load(target / f"{pair.name}.npy") for pair in pairs} for target in targets]
    old, new = ({pair.name: psnr_y(one[pair.name], pair.hr, dataset.scale) for pair in pairs} for one in made)
    return {
        "psnr_y_before": mean(old.values()),
        "psnr_y_after": mean(new.values()),
        "pictures_before": old,
        "pictures_after": new,
        "isa": isa,
        "samples": sum(int(picture.size) for picture in made[1].values()),
        "samples_that_differ": sum(int(np.count_nonzero(made[0][key] != made[1][key])) for key in made[0]),
    }


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print, append the record where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", nargs=2, type=Path, required=True, metavar=("TREE", "MODEL"))
    parser.add_argument("--after", nargs=2, type=Path, required=True, metavar=("TREE", "MODEL"))
    parser.add_argument("--commits", nargs=2, required=True, metavar=("OLD", "NEW"))
    parser.add_argument("--network", required=True, help="name in the record")
    parser.add_argument("--scale", type=int, required=True)
    parser.add_argument("--method", required=True, help="how both were quantized, for the record")
    parser.add_argument("--data", type=Path, help="folder of test sets; without --set, pictures are timed instead")
    parser.add_argument("--set", dest="sets", action="append", default=[], metavar="NAME")
    parser.add_argument("--size", type=int, nargs="+", default=[128, 256])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--records", type=Path, help="JSONL file to append to")
    arguments = parser.parse_args(words)
    before, after = Side(*arguments.before), Side(*arguments.after)
    for name in arguments.sets:
        found = compare_set(before, after, load_dataset(arguments.data, name, arguments.scale), arguments.threads)
        print(f"{arguments.network} {name}: {found}", flush=True)
        _keep(arguments, {"dataset": name, "threads": arguments.threads}, None, found)
    for size in () if arguments.sets else arguments.size:
        found = compare(before, after, size, arguments.threads, arguments.runs, arguments.pairs)
        print(f"{arguments.network} {size}x{size}: after / before {found['ratio']:.3f}, {found}", flush=True)
        _keep(arguments, {"size": f"{size}x{size}", "threads": arguments.threads}, found["seconds_after"], found)
    return 0


def _keep(arguments: argparse.Namespace, settings: dict[str, object], seconds: Any, found: dict[str, object]) -> None:
    if arguments.records:
        record = Record(
            kind="commits",
            network=arguments.network,
            scale=arguments.scale,
            method=arguments.method,
            settings=settings | {"commits": list(arguments.commits)},
            protocol=None,
            seconds=seconds,
            extra=found,
        )
        append_records(arguments.records, [record])


if __name__ == "__main__":
    sys.exit(main())
