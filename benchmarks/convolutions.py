"""Convolutions of the native core: milliseconds and multiply-adds per second, on every instruction set of this machine.

Minimum over the repeats; the instruction sets take turns. ``python benchmarks/convolutions.py --isa amx avx2``
"""

from __future__ import annotations

import argparse

import numpy as np

from intaglio.packed.program import Op, Site
from intaglio.runtime.native import machine
from intaglio.runtime.single import run_operation
from intaglio.spec import Grid

SHAPES = ((60, 60, 3), (3, 60, 3), (60, 48, 3), (60, 12, 3), (64, 64, 3), (64, 64, 1), (64, 3, 3))
"""Channels in, channels out, kernel: SwinIR-light, EDSR and their kin."""


def convolution(inputs: int, outputs: int, kernel: int, bits: int | None) -> Op:
    """A convolution with random weights, stride 1 and padding that keeps the size; float if `bits` is None."""
    rng = np.random.default_rng(0)
    size = (outputs, inputs, kernel, kernel)
    attrs = {
        "stride": (1, 1),
        "padding": (kernel // 2,) * 4,
        "dilation": (1, 1),
        "groups": 1,
        "pad_mode": "zeros",
    }
    tensors = {"bias": np.zeros(outputs, dtype=np.float32)}
    if bits is None:
        return Op("conv2d", "conv", ("x",), "y", attrs, tensors | {"weight": rng.normal(size=size).astype(np.float32)})
    grid = Grid(-2.0, float(np.float32(4.0 / (2**bits - 1))), bits)
    sites = {"input": Site("conv:input", (grid,)), "weight": Site("conv:weight", (grid,))}
    codes = rng.integers(0, grid.levels, size, dtype=np.uint8)
    return Op("conv2d", "conv", ("x",), "y", attrs, tensors | {"weight.codes": codes}, sites)


def seconds(op: Op, isas: list[str], size: int, threads: int, rounds: int) -> dict[str, float]:
    """The fastest run on each instruction set: `rounds` turns of five runs."""
    channels = next(tensor.shape[1] for role, tensor in op.tensors.items() if role.startswith("weight"))
    x = np.random.default_rng(1).normal(size=(1, channels, size, size)).astype(np.float32)
    turns = [
        {isa: run_operation(op, [x], isa=isa, threads=threads, repeats=5).seconds for isa in isas}
        for _ in range(rounds)
    ]
    return {isa: min(turn[isa] for turn in turns) for isa in isas}


def main() -> None:
    """Print one line for each convolution and width."""
    runnable = [one.name for one in machine().sets if one.runnable]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--isa", nargs="+", default=runnable, choices=runnable)
    parser.add_argument("--size", type=int, default=128, help="rows and columns of the map")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=4)
    args = parser.parse_args()
    for inputs, outputs, kernel in SHAPES:
        work = inputs * outputs * kernel**2 * args.size**2
        for bits in (None, 4, 8):
            best = seconds(convolution(inputs, outputs, kernel, bits), args.isa, args.size, args.threads, args.rounds)
            cells = (f"{isa} {1e3 * time:.2f} ms {work / time / 1e9:.0f} GMAC/s" for isa, time in best.items())
            print(
                f"{inputs}->{outputs} {kernel}x{kernel} {'float' if bits is None else f'{bits} bits'}: "
                + ", ".join(cells)
            )


if __name__ == "__main__":
    main()
