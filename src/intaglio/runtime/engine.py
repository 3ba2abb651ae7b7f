"""The public interface of the runtime: a packed program as a function from picture to picture.

Picks the native core or the reference, the number of threads, and tiles where memory is bounded. torch is never loaded.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from numpy import ndarray

from intaglio._shapes import Float32, UInt8
from intaglio._system import usable_cores
from intaglio.errors import EngineError
from intaglio.packed.program import Program
from intaglio.runtime.native import NativeProgram, core

if TYPE_CHECKING:
    from collections.abc import Callable

    from intaglio.runtime.reference import Reference

Backend = Literal["auto", "native", "reference"]

_LOGGER = logging.getLogger(__name__)

RGB = 3
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
        self,
        program: Program,
        *,
        backend: Backend = "auto",
        threads: int | None = None,
        memory: int | None = None,
        fuse: bool = True,
    ) -> None:
        if threads is not None and threads < 1:
            raise EngineError(f"{threads} threads asked for; give one or more.")
        if memory is not None and memory < 1:
            raise EngineError(f"a bound of {memory} bytes on memory holds no picture; give a positive number.")
        self.program = program
        self.scale = program.scale
        self._memory = memory
        self._channels = program.ops[0].integer("channels")
        self.native = _native(program, backend, threads or usable_cores(), memory, fuse)
        _LOGGER.info("%s x%d runs in %s", program.architecture, program.scale, self.backend)
        reference = None if self.native else _reference(program)
        self._run: Callable[[ndarray], ndarray] = self.native.run if self.native else cast(Any, reference)
        self._planes: Callable[[ndarray], ndarray] = (self.native or cast(Any, reference)).planes

    @property
    def channels(self) -> int:
        """How many channels a picture has that the network takes: 3 for RGB, 1 for gray."""
        return self._channels

    @property
    def backend(self) -> str:
        """What runs: ``native`` with its instruction set, or ``reference``."""
        return f"native ({self.native.isa})" if self.native else "reference"

    def __call__(self, image: UInt8[ndarray, "h w c"]) -> UInt8[ndarray, "H W d"]:
        """The picture, enlarged.

        Shapes: (h, w, c) to (h * scale, w * scale, d), with as many channels as the network takes and gives (3 for
        RGB). Units: grey levels 0-255. A network of gray pictures takes RGB too: each channel is a picture of its own.
        Raises: EngineError for another type or shape, or if not even a tile fits into the bound on memory.
        """
        if self._channels == 1 and image.ndim == 3 and image.shape[2] == RGB:
            return np.dstack([self(np.ascontiguousarray(image[..., [channel]])) for channel in range(RGB)])
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != self._channels or 0 in image.shape:
            raise EngineError(
                f"found {image.dtype} {image.shape}, expected uint8 (height, width, {self._channels}), no side empty; "
                "convert the picture."
            )
        native = self._too_large(*image.shape[:2])
        return self._run(image) if native is None else self._tiled(native, native.run, image)

    def planes(self, planes: Float32[ndarray, "c h w"]) -> Float32[ndarray, "d H W"]:
        """The planes of a picture, enlarged; not clipped, and not rounded to levels.

        Shapes: (c, h, w) to (d, h * scale, w * scale), with as many planes as the network takes and gives. Units:
        [0, 1] from the darkest to the brightest level.
        Raises: EngineError for another type or shape, or if not even a tile fits into the bound on memory.
        """
        if planes.dtype != np.float32 or planes.ndim != 3 or planes.shape[0] != self._channels or 0 in planes.shape:
            raise EngineError(
                f"found {planes.dtype} {planes.shape}, expected float32 ({self._channels}, height, width), no side "
                "empty; convert the picture."
            )
        native = self._too_large(*planes.shape[1:])
        if native is None:
            return self._planes(planes)
        tiled = self._tiled(native, lambda x: native.planes(x.transpose(2, 0, 1)).transpose(1, 2, 0), _last(planes))
        return np.ascontiguousarray(tiled.transpose(2, 0, 1))

    def _too_large(self, height: int, width: int) -> NativeProgram | None:
        """The native program, if a picture of that size must be cut into tiles for it."""
        large = self.native and self._memory and self.native.memory(height, width) > self._memory
        return self.native if large else None

    def _tiled(self, native: NativeProgram, run: Callable[[ndarray], ndarray], image: ndarray) -> ndarray:
        """What `run` makes of an image (h, w, c), tile by tile."""
        from intaglio.images.tiles import apply_tiled
        from intaglio.runtime.receptive_field import receptive_field

        assert self._memory is not None
        memory = self._memory
        far = receptive_field(self.program)
        overlap = OVERLAP if far is None else 2 * far
        unit = self.program.ops[0].integer("multiple")
        fits = [unit * count for count in range(1, 1 + max(image.shape[:2]) // unit + 1)]
        size = _largest(fits, lambda side: native.memory(side, side) <= memory)
        if size is None or size <= overlap:
            least = native.memory(overlap + unit, overlap + unit)
            raise EngineError(f"a bound of {memory} bytes holds no tile; give at least {least} bytes.")
        return apply_tiled(run, image, size, overlap, self.scale)


def _last(planes: Float32[ndarray, "c h w"]) -> Float32[ndarray, "h w c"]:
    return planes.transpose(1, 2, 0)


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


def _native(program: Program, backend: Backend, threads: int, memory: int | None, fuse: bool) -> NativeProgram | None:
    if backend == "reference":
        return None
    if backend == "auto":
        try:
            core()
        except EngineError:
            return None
    return NativeProgram(program, threads=threads, memory=memory or 0, fuse=fuse)


def _reference(program: Program) -> Reference:
    from intaglio.runtime.reference import Reference

    return Reference(program)


def _largest(sizes: list[int], fits: Callable[[int], bool]) -> int | None:
    """The last of ascending sizes that fits, by bisection; None if none does."""
    low, high = 0, len(sizes)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if fits(sizes[middle]) else (low, middle)
    return sizes[low - 1] if low else None
