"""Where the time of a transformer block goes: microseconds of one core for each phase of one window, on a packed model.

Minimum over the repeats, medians over the blocks; noise stands for activations, which do not change the work.
``python benchmarks/phases.py MODEL.intaglio --isa amx avx2``
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from intaglio.packed.format import load
from intaglio.packed.program import Program
from intaglio.runtime.native import NativeProgram, add_operation, core, machine


def phases(builder: Any, dim: int, isa: str, side: int, repeats: int) -> dict[str, float]:
    """Microseconds of each phase, and of a whole window under ``window``, of one block of `dim` channels."""
    noise = np.random.default_rng(0).normal(size=(dim, side, side)).astype(np.float32)
    whole, parts = builder.time_block(0, isa, noise, repeats)
    return {name: 1e6 * seconds for name, seconds in {**parts, "window": whole}.items()}


def blocks(program: Program, isa: str) -> list[tuple[Any, int]]:
    """The fused blocks of a program, each with its number of channels."""
    builder = core().Builder()
    for op in program.ops:
        add_operation(builder, op)
    norms = {op.name: len(op.tensors["weight"]) for op in program.ops if op.kind == "layer_norm"}
    lines = NativeProgram(program, threads=1, isa=isa).plan().lines
    dims = [norms[line.parts[0]] for line in lines if line.kind == "window_block"]
    return list(zip(core().window_blocks(builder, isa), dims, strict=True))


def main() -> None:
    """Print a table: a row for each phase, a column for each instruction set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--isa", nargs="+", default=[machine().chosen])
    parser.add_argument("--side", type=int, default=64, help="rows and columns of the map")
    parser.add_argument("--blocks", type=int, default=4, help="blocks from the middle of the network that are timed")
    parser.add_argument("--repeats", type=int, default=20)
    args = parser.parse_args()
    program = load(args.model).program
    columns: dict[str, dict[str, float]] = {}
    for isa in args.isa:
        found = blocks(program, isa)
        chosen = found[len(found) // 2 :][: args.blocks]
        runs = [phases(block, dim, isa, args.side, args.repeats) for block, dim in chosen]
        columns[isa] = {name: median(run[name] for run in runs) for name in runs[0]}
    print(f"{'phase':10}" + "".join(f"{isa:>12}" for isa in columns))
    for name in next(iter(columns.values())):
        print(f"{name:10}" + "".join(f"{column[name]:12.2f}" for column in columns.values()))


if __name__ == "__main__":
    main()
