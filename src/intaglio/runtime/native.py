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

from intaglio._shapes import Float32, UInt8
from intaglio.errors import EngineError
from intaglio.packed.ops import OPS
from intaglio.packed.program import Op, Program
from intaglio.packed.size import terms_of

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


@dataclass(frozen=True)
class PlanLine:
    """One operation that runs, and the operations of the program that it stands for (none where it is one itself)."""

    kind: str
    name: str
    parts: tuple[str, ...]


@dataclass(frozen=True)
class Remark:
    """Why something was not fused: the pattern, the operation at which it was tried, the reason."""

    pattern: str
    name: str
    reason: str


@dataclass(frozen=True)
class Plan:
    """What an engine runs for a program, in order, and what it left as it was."""

    lines: tuple[PlanLine, ...]
    remarks: tuple[Remark, ...]


class NativeProgram:
    """A program checked, fused, packed for one instruction set, and ready to run.

    With `fuse` False each operation of the program runs by itself. `strip_bytes` are those of a map, for each thread,
    that operations hand on at a time where they go by rows; None is what suits caches, where that saves memory.
    Raises: EngineError if the program is not sound or memory runs out.
    """

    def __init__(
        self,
        program: Program,
        *,
        threads: int,
        memory: int = 0,
        isa: str | None = None,
        fuse: bool = True,
        strip_bytes: int | None = None,
    ) -> None:
        self._core = core()
        self.scale = program.scale
        try:
            builder = self._core.Builder()
            for op in program.ops:
                add_operation(builder, op)
            settings = {} if strip_bytes is None else {"strip_bytes": strip_bytes}
            self._engine = self._core.Engine(
                builder, program.scale, isa or machine().chosen, threads, memory, fuse, **settings
            )
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

    def plan(self) -> Plan:
        """What runs: each operation with those of the program that it stands for, and why others were not fused."""
        lines, remarks = self._engine.plan()
        return Plan(
            tuple(PlanLine(kind, name, tuple(parts)) for kind, name, parts in lines),
            tuple(Remark(*row) for row in remarks),
        )

    def run(self, image: UInt8[ndarray, "h w c"]) -> UInt8[ndarray, "H W d"]:
        """The picture, enlarged.

        Raises: EngineError if the picture does not fit the network or the bound on memory.
        """
        try:
            result: UInt8[ndarray, "H W d"] = self._engine.run(np.ascontiguousarray(image))
        except (self._core.CoreError, MemoryError) as error:
            raise EngineError(str(error)) from error
        return result

    def planes(self, planes: Float32[ndarray, "c h w"]) -> Float32[ndarray, "d H W"]:
        """The planes of a picture, in [0, 1], enlarged; not clipped.

        Raises: EngineError if the planes do not fit the network or the bound on memory.
        """
        try:
            result: Float32[ndarray, "d H W"] = self._engine.planes(np.ascontiguousarray(planes))
        except (self._core.CoreError, MemoryError) as error:
            raise EngineError(str(error)) from error
        return result

    def profile(self, image: UInt8[ndarray, "h w c"]) -> tuple[UInt8[ndarray, "H W d"], tuple[OpTime, ...]]:
        """The picture, enlarged, and what each operation took.

        Raises: EngineError if the picture does not fit into the bound on memory.
        """
        try:
            result, rows = self._engine.profile(np.ascontiguousarray(image))
        except (self._core.CoreError, MemoryError) as error:
            raise EngineError(str(error)) from error
        return result, tuple(OpTime(*row) for row in rows)


_FORMS = {"int": "ints", "float": "reals", "str": "texts", "ints": "int_lists", "floats": "real_lists"}


def _form(op: Op, role: str) -> str:
    """The form of an attribute by its definition; where there is none, by its value: fused operations, and damage."""
    definition = OPS.get(op.kind)
    if definition and role in definition.attrs:
        return definition.attrs[role].form
    value = op.attrs[role]
    if not isinstance(value, tuple):
        return type(value).__name__.lower()  # Size is the form size
    return "floats" if value and isinstance(value[0], float) else "ints"


def _attributes(op: Op) -> dict[str, dict[str, Any]]:
    """The attributes by form, as the core takes them; lengths as lists of terms."""
    by_form: dict[str, dict[str, Any]] = {name: {} for name in (*_FORMS.values(), "sizes")}
    for role, value in op.attrs.items():
        form = _form(op, role)
        if form in ("size", "sizes"):
            by_form["sizes"][role] = [list(terms_of(one)) for one in ((value,) if form == "size" else value)]  # type: ignore[arg-type, union-attr]
        else:
            by_form[_FORMS.get(form, "texts")][role] = list(value) if isinstance(value, tuple) else value
    return by_form


def add_operation(builder: Any, op: Op) -> None:
    """Hand one operation over to the core, unchecked: the core checks it when it packs it."""
    tensors: dict[str, dict[str, ndarray]] = {"floats": {}, "codes": {}, "indices": {}}
    for role, tensor in op.tensors.items():
        array = np.array(tensor, order="C")  # a tensor of rank 0 keeps its rank
        if role.endswith(".codes"):
            tensors["codes"][role] = array
        elif array.dtype == np.int32:
            tensors["indices"][role] = array
        else:
            tensors["floats"][role] = array.astype(np.float32, copy=False)
    sites = {
        role: [(grid.lower, grid.step, grid.bits, list(grid.pieces)) for grid in site.grids]
        for role, site in op.sites.items()
    }
    builder.add(op.kind, op.name, list(op.inputs), op.output, sites=sites, **_attributes(op), **tensors)
