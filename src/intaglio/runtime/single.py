"""One operation of a program on given maps, in the native core: for tests and benchmarks of single operations.

Whole programs are `engine.py`; what an operation means is `reference`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy import ndarray

from intaglio._shapes import Float32
from intaglio.errors import EngineError
from intaglio.packed.program import Op
from intaglio.runtime.native import add_operation, core, machine


class SingleRun(NamedTuple):
    """The map that an operation wrote, and the seconds of its fastest run."""

    output: Float32[ndarray, "c h w"]
    seconds: float


def run_operation(
    op: Op, maps: Sequence[Float32[ndarray, "_ _ _"]], *, isa: str | None = None, threads: int = 1, repeats: int = 1
) -> SingleRun:
    """Run one operation between ``picture`` and ``output`` on maps (c, h, w), `repeats` times.

    The space between the planes of the inputs, and all scratch, holds NaN, and that of the output a mark: what an
    operation reads or writes where it must not shows in the result or is an error.
    Raises: EngineError if the operation is not sound or the maps do not fit it (remedy in the message).
    """
    native = core()
    builder = native.Builder()
    try:
        add_operation(builder, op)
        planes = [np.ascontiguousarray(one, dtype=np.float32) for one in maps]
        return SingleRun(*native.run_operation(builder, isa or machine().chosen, threads, planes, repeats))
    except (native.CoreError, MemoryError, TypeError, OverflowError) as error:
        raise EngineError(str(error)) from error
