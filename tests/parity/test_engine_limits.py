"""Programs about one operation at its limits: what passes validation runs in the core as in the reference."""

from __future__ import annotations

import numpy as np
import pytest

from intaglio.errors import EngineError, PackedError
from intaglio.packed.errors import ScaleError, ShapeError
from intaglio.packed.examples.limits import limit_program
from intaglio.packed.ops import OPS
from intaglio.packed.program import Program
from intaglio.packed.shapes import infer_shapes
from intaglio.packed.validate import validate
from intaglio.runtime import native
from intaglio.runtime.native import NativeProgram
from intaglio.runtime.reference import Reference

RUNNABLE = [one.name for one in native.machine().sets if one.runnable]
DRAWS = 12
SIZES = ((8, 12), (3, 1))

ROUNDING = 2.0**-24
TERMS = 4 * 31 * 31  # of the longest sum, in a convolution
MAGNITUDES = TERMS * 0.2 * 0.6  # of its products: weights are 0.2 in the mean square, the picture at most 0.6
TOLERANCE = {"conv2d": TERMS * ROUNDING * MAGNITUDES}
"""What an operation is may move its mean, which is at most 1, by 64 roundings at most; but for a long sum."""


def sound(kind: str, seed: int) -> Program | None:
    program = limit_program(np.random.default_rng(seed), kind)
    try:
        validate(program)
    except PackedError:
        return None
    return program


@pytest.mark.parametrize("kind", OPS)
def test_what_passes_validation_runs_in_the_core(kind: str) -> None:
    programs = [(seed, program) for seed in range(DRAWS) if (program := sound(kind, seed)) is not None]
    assert programs
    for seed, program in programs:
        isa = RUNNABLE[seed % len(RUNNABLE)]
        cores = [NativeProgram(program, threads=1 + seed % 2, isa=isa, fuse=fuse) for fuse in (True, False)]
        for height, width in SIZES:
            planes = np.random.default_rng(height).random((3, height, width), dtype=np.float32)
            try:
                infer_shapes(program, height, width)
            except (ShapeError, ScaleError):
                for core in cores:
                    with pytest.raises(EngineError):
                        core.planes(planes)
                continue
            expected = Reference(program).planes(planes)
            for core in cores:
                found = core.planes(planes)
                assert np.array_equal(np.isnan(found), np.isnan(expected)), (seed, isa)
                error = np.nan_to_num(np.abs(found - expected))
                assert np.max(error) <= TOLERANCE.get(kind, 64 * ROUNDING), (seed, isa)
