"""The C++ core behind plain functions: which instruction sets this machine runs, and a program handed over to it.

Choosing between the core and the reference is `engine.py`; meaning is `reference/`.
"""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy import ndarray

from intaglio._shapes import UInt8
from intaglio.errors import EngineError
from intaglio.packed.program import Attr, Op, Program

ISA_VARIABLE = "INTAGLIO_ISA"
"""Environment variable that forces one instruction set (a name that `machine` lists)."""


@dataclass(frozen=True)
class InstructionSet:
    """One instruction set of this build: whether this machine runs it, and what it needs."""

    name: str
    runnable: bool
    needs: str


@dataclass(frozen=True)
class Machine:
    """What the core can use here, slowest first; `chosen` is what an engine uses, `reason` says why."""

    sets: tuple[InstructionSet, ...]
    chosen: str
    reason: str


def core() -> ModuleType:
    """The extension module.

    Raises: EngineError if it is not built (remedy: install the package with a C++20 compiler, or use the reference).
    """
    try:
        return importlib.import_module("intaglio.runtime._core")
    except ImportError as error:
        remedy = "run `pip install .` with a C++20 compiler, or choose backend='reference'"
        raise EngineError(f"the native core cannot be loaded ({error}); {remedy}.") from error


def machine() -> Machine:
    """Which instruction sets this machine runs, which one is used and why.

    Raises: EngineError if the environment variable INTAGLIO_ISA names one that is unknown or cannot run here.
    """
    sets = tuple(InstructionSet(*row) for row in core().instruction_sets())
    forced = os.environ.get(ISA_VARIABLE, "auto")
    if forced not in ("", "auto"):
        allowed = [one.name for one in sets if one.runnable]
        if forced not in allowed:
            raise EngineError(
                f"{ISA_VARIABLE} asks for {forced!r}, but this machine runs {', '.join(allowed)}; choose one of those."
            )
        return Machine(sets, forced, f"{ISA_VARIABLE} asks for it")
    chosen = [one for one in sets if one.runnable][-1]
    return Machine(sets, chosen.name, f"the fastest that this machine runs (needs {chosen.needs})")


@dataclass(frozen=True)
class OpTime:
    """Seconds that one operation took in one run."""

    kind: str
    name: str
    seconds: float


class NativeProgram:
    """A program checked, packed for one instruction set, and ready to run.

    Raises: EngineError if the program is not sound or memory runs out.
    """

    def __init__(self, program: Program, *, threads: int, memory: int = 0, isa: str | None = None) -> None:
        self._core = core()
        self.scale = program.scale
        try:
            builder = self._core.Builder()
            for op in program.ops:
                add_operation(builder, op)
            self._engine = self._core.Engine(builder, program.scale, isa or machine().chosen, threads, memory)
        except (self._core.CoreError, MemoryError, TypeError, OverflowError) as error:
            raise EngineError(str(error)) from error

    @property
    def isa(self) -> str:
        """The instruction set in use."""
        return str(self._engine.isa)

    @property
    def threads(self) -> int:
        """Number of threads that share the work."""
        return int(self._engine.threads)

    def memory(self, height: int, width: int) -> int:
        """Bytes of feature maps and scratch for a picture of that size.

        Raises: EngineError if the size does not fit the program.
        """
        try:
            return int(self._engine.memory(height, width))
        except self._core.CoreError as error:
            raise EngineError(str(error)) from error

    def run(self, image: UInt8[ndarray, "h w 3"]) -> UInt8[ndarray, "H W 3"]:
        """The picture, enlarged.

        Raises: EngineError if the picture does not fit into the bound on memory.
        """
        try:
            result: UInt8[ndarray, "H W 3"] = self._engine.run(np.ascontiguousarray(image))
        except (self._core.CoreError, MemoryError) as error:
            raise EngineError(str(error)) from error
        return result

    def profile(self, image: UInt8[ndarray, "h w 3"]) -> tuple[UInt8[ndarray, "H W 3"], tuple[OpTime, ...]]:
        """The picture, enlarged, and what each operation took.

        Raises: EngineError if the picture does not fit into the bound on memory.
        """
        try:
            result, rows = self._engine.profile(np.ascontiguousarray(image))
        except (self._core.CoreError, MemoryError) as error:
            raise EngineError(str(error)) from error
        return result, tuple(OpTime(*row) for row in rows)


def _attr(value: Attr) -> int | float | str | list[float]:
    return [float(one) for one in value] if isinstance(value, tuple) else value


def add_operation(builder: Any, op: Op) -> None:
    """Hand one operation over to the core, unchecked: the core checks it when it packs it."""
    floats = {
        role: np.ascontiguousarray(t, np.float32) for role, t in op.tensors.items() if not role.endswith(".codes")
    }
    codes = {role: np.ascontiguousarray(t) for role, t in op.tensors.items() if role.endswith(".codes")}
    sites = {
        role: [(grid.lower, grid.step, grid.bits, list(grid.pieces)) for grid in site.grids]
        for role, site in op.sites.items()
    }
    attrs = {role: _attr(value) for role, value in op.attrs.items()}
    builder.add(op.kind, op.name, list(op.inputs), op.output, attrs, floats, codes, sites)
