"""Damaged files given to the readers of packed models, in pieces that are recorded as they finish: one verdict on each.

Seed s alone makes file s (`intaglio.packed.examples.damage`). Readers: Python's, C++'s, and with `--wasm` the one of
the web package under node, whose memory is looked at too. A file on which they differ is named; the exit status is 1.
``python benchmarks/readers.py --files 20000 --records FILE.jsonl``
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from intaglio.errors import PackedError
from intaglio.evaluate import Record, append_records, known_records
from intaglio.packed.examples.damage import damaged_file
from intaglio.packed.format import load
from intaglio.runtime.native import core

REPOSITORY = Path(__file__).parents[1]
WASM = """
import { readFileSync } from "node:fs";
const [folder, package_, first, count] = process.argv.slice(1);
const { load } = await import(`file://${package_}/dist/index.js`);
const module = await WebAssembly.compile(readFileSync(`${package_}/dist/intaglio.wasm`));
let bits = "";
let trap = null;
for (let seed = Number(first); seed < Number(first) + Number(count); ++seed) {
  try {
    await load(new Uint8Array(readFileSync(`${folder}/${seed}`)), module);
    bits += "1";
  } catch (error) {
    bits += "0";
    const told = error.name === "IntaglioError" && !error.message.includes("engine stopped");
    if (!told) trap ??= `${seed}: ${error.message}`;
  }
}
globalThis.gc?.();
console.log(JSON.stringify({ bits, trap, resident: process.memoryUsage().rss }));
"""


def accepted_by_python(path: Path) -> bool:
    """Whether the reader in Python takes the file."""
    try:
        load(path)
    except PackedError:
        return False
    return True


def accepted_by_core(data: bytes) -> bool:
    """Whether the reader in C++ takes the file."""
    native = core()
    try:
        native.read_file(data)
    except native.CoreError:
        return False
    return True


def run(first: int, files: int, wasm: bool) -> dict[str, object]:
    """What the readers say to a piece; `differ` names seeds on which they do not agree."""
    verdicts: list[list[bool]] = []
    resident, trap = None, None
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(first, first + files):
            data, path = damaged_file(seed), Path(folder) / str(seed)
            path.write_bytes(data)
            verdicts.append([accepted_by_python(path), accepted_by_core(data)])
        if wasm:
            package = REPOSITORY / "web" / "package"
            command = ["node", "--expose-gc", "--input-type=module", "-e", WASM, folder, str(package)]
            done = subprocess.run([*command, str(first), str(files)], check=True, capture_output=True, text=True)
            answer = json.loads(done.stdout)
            resident, trap = answer["resident"], answer["trap"]
            for row, bit in zip(verdicts, answer["bits"], strict=True):
                row.append(bit == "1")
    differ = [first + index for index, row in enumerate(verdicts) if len(set(row)) > 1]
    accepted = sum(row[0] for row in verdicts)
    return {
        "accepted": accepted,
        "refused": files - accepted,
        "differ": differ,
        "trap": trap,
        "node_resident": resident,
    }


def main(words: Sequence[str] | None = None) -> int:
    """Run what is not recorded yet, until `--seconds` have passed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--piece", type=int, default=2_000, help="files in one record")
    parser.add_argument("--wasm", action="store_true", help="ask the web package too (`make web` builds it)")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no piece after so long")
    parser.add_argument("--records", type=Path, required=True, help="JSONL file to append to")
    arguments = parser.parse_args(words)
    rooms = ("csrc/reader", "csrc/engine", "src/intaglio/packed")
    git = ["git", "-C", str(REPOSITORY), "log", "-1", "--format=%h", "--", *rooms]
    commit = subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    readers = ["python", "c++", *(["wasm"] if arguments.wasm else [])]
    began = time.monotonic()
    known = {record.key() for record in known_records(arguments.records)}
    for first in range(0, arguments.files, arguments.piece):
        files = min(arguments.piece, arguments.files - first)
        settings = {"commit": commit, "first_seed": first, "files": files, "readers": readers}
        asked = Record(
            kind="readers", network="none", scale=1, method="damaged files", settings=settings, protocol=None
        )
        if asked.key() in known:
            continue
        if time.monotonic() - began > arguments.seconds:
            print(f"{arguments.files - first} files are left; the same command goes on.")
            return 0
        started = time.monotonic()
        found = run(first, files, arguments.wasm)
        if found["differ"] or found["trap"]:
            print(f"readers differ on seeds {found['differ']}; trap: {found['trap']}", file=sys.stderr)
            return 1
        append_records(arguments.records, [replace(asked, seconds=round(time.monotonic() - started, 1), extra=found)])
        print(f"seeds {first} to {first + files - 1}: {found['accepted']} accepted by all", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
