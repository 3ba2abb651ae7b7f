"""Where the time of a transformer block goes: microseconds of one core for each phase of one window, on a packed model.

Minimum over the repeats, medians over the blocks; noise stands for activations, which do not change the work.
``python benchmarks/phases.py MODEL.intaglio --isa amx avx2``
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import median

import numpy as np

from intaglio.packed.format import load
from intaglio.packed.program import Op
from intaglio.runtime.native import add_operation, core, machine


def phases(op: Op, isa: str, side: int, repeats: int) -> dict[str, float]:
    """Microseconds of each phase, and of a whole window under ``window``, of one block."""
    native = core()
    builder = native.Builder()
    add_operation(builder, op)
    noise = np.random.default_rng(0).normal(size=(int(op.attrs["dim"]), side, side)).astype(np.float32)
    whole, parts = builder.time_block(0, isa, noise, repeats)
    return {name: 1e6 * seconds for name, seconds in {**parts, "window": whole}.items()}


def main() -> None:
    """Print a table: a row for each phase, a column for each instruction set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--isa", nargs="+", default=[machine().chosen])
    parser.add_argument("--side", type=int, default=64, help="rows and columns of the map")
    parser.add_argument("--blocks", type=int, default=4, help="blocks from the middle of the network that are timed")
    parser.add_argument("--repeats", type=int, default=20)
    args = parser.parse_args()
    blocks = [op for op in load(args.model).program.ops if op.kind == "window_block"]
    chosen = blocks[len(blocks) // 2 :][: args.blocks]
    columns: dict[str, dict[str, float]] = {}
    for isa in args.isa:
        runs = [phases(op, isa, args.side, args.repeats) for op in chosen]
        columns[isa] = {name: median(run[name] for run in runs) for name in runs[0]}
    print(f"{'phase':10}" + "".join(f"{isa:>12}" for isa in columns))
    for name in next(iter(columns.values())):
        print(f"{name:10}" + "".join(f"{column[name]:12.2f}" for column in columns.values()))


if __name__ == "__main__":
    main()
