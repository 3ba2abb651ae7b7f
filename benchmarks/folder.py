"""A folder of many small pictures, one in a hundred of them broken: nothing is lost, kills cost nothing, and which
share of the engine's own speed is left.

``python benchmarks/folder.py MODEL.intaglio --pictures 10000 --kills 10 --work /tmp/folder --records folder.jsonl``

Run it again with the same ``--work`` after an interruption: what is made, enlarged and killed stays.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

from intaglio._atomic import write_text_atomic
from intaglio.app.recording import record_of
from intaglio.evaluate import Record, append_records
from intaglio.images import dead_leaves, read_image, write_image
from intaglio.images.batch import Existing, Settings, Status, run_batch
from intaglio.images.naming import plan
from intaglio.packed.format import load
from intaglio.runtime.engine import Engine, load_engine

BROKEN_EVERY = 100
SAMPLE = 200
"""Pictures of a timed turn."""


def make(folder: Path, count: int, sides: tuple[int, int]) -> None:
    """`count` pictures of dead leaves, every hundredth cut in half; those that are there stay."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        path = folder / f"{index // 1000:02d}" / f"{index:05d}.png"
        if path.exists():
            continue
        path.parent.mkdir(exist_ok=True)
        write_image(path, dead_leaves(*sides, seed=index % 50 * 7919 + index))
        if index % BROKEN_EVERY == 7:
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def digest(folder: Path) -> dict[str, str]:
    """The sha256 of every file below a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def command(model: Path, source: Path, target: Path, report: Path) -> list[str]:
    """``intaglio upscale`` of the folder."""
    words = ["upscale", str(model), str(source), "-o", str(target), "--json", str(report)]
    return [sys.executable, "-m", "intaglio", *words]


def killed_and_resumed(words: Sequence[str], target: Path, kills: int, count: int, seed: int) -> int:
    """Kill the command `kills` times, each after a random share of what is left; then let it finish. Its kills, of
    which those of an earlier call are counted in a file beside the target."""
    tally = target.with_suffix(".kills")
    done = int(tally.read_text()) if tally.exists() else 0
    dice = random.Random(seed + done)
    while done < kills:
        have = sum(1 for _ in target.rglob("*.png")) if target.exists() else 0
        wanted = have + dice.randrange(1, max(2, (count - have) // (kills - done + 1)))
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and (sum(1 for _ in target.rglob("*.png")) if target.exists() else 0) < wanted:
            time.sleep(0.05)
        time.sleep(dice.random() * 0.05)
        if process.poll() is not None:
            break
        process.send_signal(signal.SIGKILL)
        process.wait()
        done += 1
        write_text_atomic(tally, str(done))
    subprocess.run(words, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return done


def shares(engine: Engine, source: Path, work: Path, turns: int) -> list[float]:
    """The batch's speed over the engine's own, in turns: pictures in memory to pictures in memory against files to
    files."""
    paths = [path for path in sorted(source.rglob("*.png"))[:SAMPLE] if int(path.stem) % BROKEN_EVERY != 7]
    pictures = [read_image(path) for path in paths]
    found = []
    for turn in range(turns):
        began = time.perf_counter()
        for picture in pictures:
            engine(picture)
        alone = time.perf_counter() - began
        jobs = plan(paths, work / f"turn{turn % 2}", "_x")
        began = time.perf_counter()
        outcomes = list(run_batch(jobs, engine, Settings(existing=Existing.OVERWRITE)))
        batch = time.perf_counter() - began
        assert all(one.status is Status.ENLARGED for one in outcomes)
        found.append(alone / batch)
    return found


def record(model: Path, sides: tuple[int, int], figures: dict[str, object]) -> Record:
    """The figures with all that they depend on."""
    return replace(
        record_of(load(model), "folder"),
        settings={"size": f"{sides[0]}x{sides[1]}", "pictures": figures["pictures"], "kills": figures["kills"]},
        bytes=model.stat().st_size,
        extra={key: value for key, value in figures.items() if key not in ("pictures", "kills")},
    )


def main() -> None:
    """Make, run whole, run with kills, compare, time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--sides", type=int, nargs=2, default=(64, 96), help="height and width of each picture")
    parser.add_argument("--records", type=Path)
    options = parser.parse_args()
    source, whole, cut = (options.work / name for name in ("in", "whole", "cut"))
    sides = (options.sides[0], options.sides[1])
    make(source, options.pictures, sides)
    report = options.work / "whole.json"
    words = command(options.model, source, whole, report)
    status = subprocess.run(words, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
    told = json.loads(report.read_text())
    words = command(options.model, source, cut, options.work / "cut.json")
    kills = killed_and_resumed(words, cut, options.kills, options.pictures, options.seed)
    share = shares(load_engine(options.model), source, options.work, options.turns)
    broken = sum(index % BROKEN_EVERY == 7 for index in range(options.pictures))
    figures = {
        "pictures": options.pictures,
        "broken": broken,
        "status": status,
        "enlarged_or_there": told["enlarged"] + told["skipped"],
        "failed": told["failed"],
        "kills": kills,
        "same_bytes": digest(cut) == digest(whole),
        "files": len(digest(whole)),
        "share_of_engine_median": round(median(share), 3),
        "share_of_engine": [round(one, 3) for one in share],
    }
    print(json.dumps(figures, indent=2))
    if options.records:
        append_records(options.records, [record(options.model, sides, figures)])


if __name__ == "__main__":
    main()
