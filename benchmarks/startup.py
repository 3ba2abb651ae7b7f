"""How long one waits for a small picture: from the shell to the written file, and in Python from path to picture.

Every run is a fresh process; medians, least times and spreads (tenth to ninth decile) over the runs, which take turns.
``python benchmarks/startup.py MODEL.intaglio --records results/startup.jsonl``
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median, quantiles

import numpy as np

from intaglio.evaluate import Record, append_records
from intaglio.images import write_image
from intaglio.images.synthetic import dead_leaves
from intaglio.packed.format import load
from intaglio.runtime.native import machine

LOAD_TO_PICTURE = """
import sys, time
import numpy as np
from intaglio.packed.format import load
from intaglio.runtime.engine import Engine
picture = np.load(sys.argv[2])
start = time.perf_counter()
Engine(load(sys.argv[1]).program, backend="native")(picture)
print(time.perf_counter() - start)
assert "torch" not in sys.modules
"""
"""What a program does that has imported what it needs."""


def from_the_shell(model: Path, picture: Path, target: Path) -> float:
    """Seconds of ``intaglio upscale``, start of the process included."""
    started = time.perf_counter()
    words = [sys.executable, "-m", "intaglio", "upscale", str(model), str(picture), "--output", str(target)]
    subprocess.run(words, check=True, capture_output=True)
    return time.perf_counter() - started


def from_python(model: Path, array: Path) -> float:
    """Seconds from the path of a model to its first picture, in a process of its own."""
    words = [sys.executable, "-c", LOAD_TO_PICTURE, str(model), str(array)]
    return float(subprocess.run(words, check=True, capture_output=True, text=True).stdout)


def record(model: Path, what: str, size: int, times: Sequence[float]) -> Record:
    """The median with all that it depends on."""
    packed, deciles = load(model), quantiles(times, n=10)
    recipe = packed.header.recipe
    return Record(
        kind="speed",
        network=packed.program.architecture,
        scale=packed.program.scale,
        method=what,
        weights_sha256=packed.header.provenance.source_sha256,
        weight_bits=recipe.get("weight_bits"),
        act_bits=recipe.get("act_bits"),
        coverage=packed.program.coverage.value,
        settings={"size": f"{size}x{size}", "runs": len(times)},
        bytes=model.stat().st_size,
        seconds=median(times),
        extra={"best_seconds": min(times), "spread": deciles[-1] / deciles[0], "backend": machine().chosen},
    )


def main() -> None:
    """Measure both in turns; print and record them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--size", type=int, default=64, help="side of the picture")
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--records", type=Path)
    args = parser.parse_args()
    pixels = dead_leaves(args.size, args.size, seed=0)
    shell, python = [], []
    with tempfile.TemporaryDirectory() as folder:
        picture, array, target = (Path(folder) / name for name in ("picture.png", "picture.npy", "large.png"))
        write_image(picture, pixels)
        np.save(array, pixels)
        for _ in range(args.runs):
            shell.append(from_the_shell(args.model, picture, target))
            python.append(from_python(args.model, array))
    found = [
        record(args.model, "shell to written picture", args.size, shell),
        record(args.model, "path to first picture", args.size, python),
    ]
    for one in found:
        assert one.seconds is not None
        print(f"{one.method}: median {1000 * one.seconds:.0f} ms, best {1000 * one.extra['best_seconds']:.0f} ms")
    if args.records:
        append_records(args.records, found)


if __name__ == "__main__":
    main()
