"""The web package beside the native core: the same bytes, the time of both in turns, and what a visitor fetches.

Each model enlarges the last pictures of a folder (crops from their middle) on the portable kernels, on the fastest of
this machine, and in WebAssembly under node, one thread each. A record for each model and picture; those that
`--records` holds are passed over. ``python benchmarks/web.py MODEL... --pictures FOLDER --records results/web.jsonl``
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from intaglio.app.recording import record_of
from intaglio.evaluate import append_records, known_records
from intaglio.images import list_images, read_image
from intaglio.packed.format import load
from intaglio.provenance import file_sha256
from intaglio.runtime.native import NativeProgram, machine

REPOSITORY = Path(__file__).parents[1]
PACKAGE = REPOSITORY / "web" / "package"
HARNESS = REPOSITORY / "tests" / "web" / "harness.mjs"


class Node:
    """The web package under node."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        command = ["node", str(HARNESS), str(PACKAGE)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, model: Path, picture: np.ndarray) -> tuple[np.ndarray, float]:
        """The enlarged picture and the seconds it took, loading aside. Raises: RuntimeError with what node says."""
        height, width = picture.shape[:2]
        opaque = np.dstack([picture, np.full((height, width), 255, np.uint8)])
        (self._folder / "picture").write_bytes(opaque.tobytes())
        question: dict[str, Any] = {"model": model.resolve(), "height": height, "width": width, "tile": 4096}
        paths = {name: self._folder / name for name in ("picture", "result")}
        assert self._process.stdin
        assert self._process.stdout
        print(json.dumps({**question, **paths}, default=str), file=self._process.stdin, flush=True)
        answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise RuntimeError(answer["error"])
        found = np.frombuffer(paths["result"].read_bytes(), np.uint8)
        return found.reshape(answer["height"], answer["width"], 4)[..., :3], answer["seconds"]


def middle(picture: np.ndarray, size: int) -> np.ndarray:
    """A square from the middle."""
    top, left = ((side - size) // 2 for side in picture.shape[:2])
    return np.ascontiguousarray(picture[top : top + size, left : left + size])


def compare(node: Node, model: Path, picture: np.ndarray, runs: int) -> dict[str, Any]:
    """Differing samples, the largest difference, and median seconds of each, in turns."""
    program = load(model).program
    natives = {isa: NativeProgram(program, threads=1, isa=isa) for isa in dict.fromkeys(["portable", machine().chosen])}
    seconds: dict[str, list[float]] = {name: [] for name in ("wasm", *natives)}
    results = {}
    for _ in range(runs + 1):  # the first is for warming up
        results["wasm"], spent = node(model, picture)
        seconds["wasm"].append(spent)
        for name, native in natives.items():
            began = time.perf_counter()
            results[name] = native.run(picture)
            seconds[name].append(time.perf_counter() - began)
    apart = np.abs(results["wasm"].astype(int) - results["portable"])
    return {
        "samples": int(apart.size),
        "differing": int(np.count_nonzero(apart)),
        "largest": int(apart.max()),
        "seconds": {name: round(median(times[1:]), 4) for name, times in seconds.items()},
    }


def sizes(model: Path) -> dict[str, int]:
    """Bytes of the engine and the model, and as deflate (which every server can) leaves them."""
    files = {"wasm": PACKAGE / "dist" / "intaglio.wasm", "model": model}
    plain = {name: path.stat().st_size for name, path in files.items()}
    squeezed = {f"{name}_deflated": len(zlib.compress(path.read_bytes(), 9)) for name, path in files.items()}
    return {**plain, **squeezed}


def main(words: Sequence[str] | None = None) -> int:
    """Measure what is not recorded yet; print and record it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--pictures", type=Path, required=True, help="a folder, of which the last pictures are taken")
    parser.add_argument("--count", type=int, default=5)
    parser.add_argument("--size", type=int, default=96, help="side of the crops")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--records", type=Path, required=True)
    args = parser.parse_args(words)
    known = {record.key() for record in known_records(args.records)}
    engine = file_sha256(PACKAGE / "dist" / "intaglio.wasm")
    with tempfile.TemporaryDirectory() as folder:
        node = Node(Path(folder))
        for model in args.models:
            packed = load(model)
            for path in list_images(args.pictures)[-args.count :]:
                settings = {"picture": path.stem, "size": args.size, "runs": args.runs, "wasm": engine[:16]}
                record = replace(
                    record_of(packed, "web"),
                    settings=settings,
                    bytes=model.stat().st_size,
                )
                if record.key() in known:
                    continue
                found = compare(node, model, middle(read_image(path), args.size), args.runs)
                extra = {**found, "sizes": sizes(model)}
                append_records(args.records, [replace(record, seconds=found["seconds"]["wasm"], extra=extra)])
                print(f"{model.stem} {path.stem}: {found}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
