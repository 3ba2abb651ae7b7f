"""One operation of a program on given values, in the native core: for tests and benchmarks of single operations.

Whole programs are `engine.py`; what an operation means is `reference`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy import ndarray

from intaglio._shapes import Float32
from intaglio.errors import EngineError
from intaglio.packed.definition import Picture
from intaglio.packed.program import Op
from intaglio.runtime.native import add_operation, core, machine


class SingleRun(NamedTuple):
    """The value that an operation wrote, and the seconds of its fastest run."""

    output: Float32[ndarray, ...]
    seconds: float


def run_operation(
    op: Op,
    inputs: Sequence[Float32[ndarray, ...]],
    *,
    picture: Picture = (1, 1),
    isa: str | None = None,
    threads: int = 1,
    repeats: int = 1,
) -> SingleRun:
    """Run one operation between ``input`` and ``output`` on values, `repeats` times.

    `picture` is height and width of the padded picture, on which lengths may depend. The space between the planes of
    maps, and all scratch, holds NaN, and that of the output a mark: what an operation reads or writes where it must not
    shows in the result or is an error.
    Raises: EngineError if the operation is not sound or the values do not fit it (remedy in the message).
    """
    native = core()
    builder = native.Builder()
    try:
        add_operation(builder, op)
        values = [np.array(one, dtype=np.float32, order="C") for one in inputs]
        return SingleRun(*native.run_operation(builder, isa or machine().chosen, threads, values, *picture, repeats))
    except (native.CoreError, MemoryError, TypeError, OverflowError) as error:
        raise EngineError(str(error)) from error
