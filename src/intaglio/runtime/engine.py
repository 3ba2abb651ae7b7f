"""The public face of the runtime: a packed program as a function from picture to picture.

Picks the native core or the reference, the number of threads, and tiles where memory is bounded. torch is never loaded.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy import ndarray

from intaglio._shapes import UInt8
from intaglio._system import usable_cores
from intaglio.errors import EngineError
from intaglio.packed.program import Program
from intaglio.runtime.native import NativeProgram, core

if TYPE_CHECKING:
    from collections.abc import Callable

Backend = Literal["auto", "native", "reference"]

_LOGGER = logging.getLogger(__name__)

OVERLAP = 64
"""Pixels that neighbouring tiles share where the receptive field has no useful bound (attention, global pooling).

Each kept pixel is then at least 32 pixels away from a cut: four windows of SwinIR.
"""


class Engine:
    """A program, ready to enlarge pictures: ``engine(image)`` is ``scale`` times as high and wide.

    `backend` ``auto`` takes the native core where it is built and the reference otherwise. `threads` defaults to the
    processors this process may use. `memory` bounds the bytes of feature maps; larger pictures are cut into tiles,
    joined exactly where the receptive field is finite, else with `OVERLAP` (native core only).
    Raises: EngineError if the core is asked for and absent, or the program is not sound.
    """

    def __init__(
        self, program: Program, *, backend: Backend = "auto", threads: int | None = None, memory: int | None = None
    ) -> None:
        if threads is not None and threads < 1:
            raise EngineError(f"{threads} threads asked for; give one or more.")
        if memory is not None and memory < 1:
            raise EngineError(f"a bound of {memory} bytes on memory holds no picture; give a positive number.")
        self.program = program
        self.scale = program.scale
        self._memory = memory
        self.native = _native(program, backend, threads or usable_cores(), memory)
        _LOGGER.info("%s x%d runs in %s", program.architecture, program.scale, self.backend)
        self._run: Callable[[ndarray], ndarray] = self.native.run if self.native else _reference(program)

    @property
    def backend(self) -> str:
        """What runs: ``native`` with its instruction set, or ``reference``."""
        return f"native ({self.native.isa})" if self.native else "reference"

    def __call__(self, image: UInt8[ndarray, "h w 3"]) -> UInt8[ndarray, "H W 3"]:
        """The picture, enlarged.

        Shapes: (h, w, 3) to (h * scale, w * scale, 3). Units: grey levels 0-255.
        Raises: EngineError for another type or shape, or if not even a tile fits into the bound on memory.
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
            raise EngineError(
                f"found {image.dtype} {image.shape}, expected uint8 (height, width, 3), no side empty; convert to RGB."
            )
        if self.native and self._memory and self.native.memory(*image.shape[:2]) > self._memory:
            return self._tiled(self.native, self._memory, image)
        return self._run(image)

    def _tiled(self, native: NativeProgram, memory: int, image: UInt8[ndarray, "h w 3"]) -> UInt8[ndarray, "H W 3"]:
        from intaglio.images.tiles import apply_tiled
        from intaglio.runtime.receptive_field import receptive_field

        far = receptive_field(self.program)
        overlap = OVERLAP if far is None else 2 * far
        unit = self.program.ops[0].integer("multiple")
        fits = [unit * count for count in range(1, 1 + max(image.shape[:2]) // unit + 1)]
        size = _largest(fits, lambda side: native.memory(side, side) <= memory)
        if size is None or size <= overlap:
            least = native.memory(overlap + unit, overlap + unit)
            raise EngineError(f"a bound of {memory} bytes holds no tile; give at least {least} bytes.")
        return apply_tiled(self._run, image, size, overlap, self.scale)


def load_engine(
    path: str | os.PathLike[str],
    *,
    backend: Backend = "auto",
    threads: int | None = None,
    memory: int | None = None,
) -> Engine:
    """The engine of a packed model's file.

    Raises: PackedError if the file is refused; EngineError as `Engine`.
    """
    from intaglio.packed.format import load

    return Engine(load(path).program, backend=backend, threads=threads, memory=memory)


def _native(program: Program, backend: Backend, threads: int, memory: int | None) -> NativeProgram | None:
    if backend == "reference":
        return None
    if backend == "auto":
        try:
            core()
        except EngineError:
            return None
    return NativeProgram(program, threads=threads, memory=memory or 0)


def _reference(program: Program) -> Callable[[ndarray], ndarray]:
    from intaglio.runtime.reference import Reference

    return Reference(program)


def _largest(sizes: list[int], fits: Callable[[int], bool]) -> int | None:
    """The last of ascending sizes that fits, by bisection; None if none does."""
    low, high = 0, len(sizes)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if fits(sizes[middle]) else (low, middle)
    return sizes[low - 1] if low else None
