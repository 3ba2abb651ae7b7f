"""The integer program: a straight line of operations on planar float maps, with every quantized site's grid.

Values only: building one from a network is `intaglio.lower`, bytes are `format.py`, meaning is `runtime.reference`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from intaglio.spec import Coverage, Grid, SiteName

Attr = int | float | str | tuple[float, ...]


@dataclass(frozen=True)
class Site:
    """One quantized tensor of an operation: its name and its grid, or one grid for each output channel of a weight.

    All grids of a site have the same width.
    """

    name: SiteName
    grids: tuple[Grid, ...]

    @property
    def bits(self) -> int:
        """Width of the codes."""
        return self.grids[0].bits

    @property
    def grid(self) -> Grid:
        """The only grid of a per-tensor site."""
        (grid,) = self.grids
        return grid


@dataclass(frozen=True)
class Op:
    """One operation. `kind` is a key of `intaglio.packed.schema.OPS`, which says what roles and attributes it has.

    `inputs` and `output` name values; each value is written once, before it is read. `tensors` holds, by role, float
    parameters (float32 here, half precision in the file) and unpacked weight codes (uint8, one a byte; ``*.codes``).
    `sites` holds, by role, the grids of activations and weights.
    """

    kind: str
    name: str
    inputs: tuple[str, ...]
    output: str
    attrs: Mapping[str, Attr] = field(default_factory=dict)
    tensors: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    sites: Mapping[str, Site] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("attrs", "tensors", "sites"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    def integer(self, name: str) -> int:
        """An attribute that the schema says is an integer."""
        value = self.attrs[name]
        assert isinstance(value, int)
        return value

    def real(self, name: str) -> float:
        """An attribute that the schema says is a number."""
        value = self.attrs[name]
        assert isinstance(value, float)
        return value

    def reals(self, name: str) -> tuple[float, ...]:
        """An attribute that the schema says is a tuple of numbers."""
        value = self.attrs[name]
        assert isinstance(value, tuple)
        return value


@dataclass(frozen=True)
class Program:
    """A network in integer form: operations in order; the first is ``picture``, the last ``output``.

    Values between them are planar float32 maps, shape (C, H, W).
    """

    scale: int
    architecture: str
    coverage: Coverage
    ops: tuple[Op, ...]

    def sites(self) -> Iterator[Site]:
        """Every quantized tensor, in the order of execution."""
        for op in self.ops:
            yield from op.sites.values()

    def code_count(self) -> dict[int, int]:
        """Number of weight codes by width.

        Weights shared by several sites do not occur; each code is counted once.
        """
        counts: dict[int, int] = {}
        for op in self.ops:
            for role, tensor in op.tensors.items():
                if role.endswith(".codes"):
                    bits = op.sites[role.removesuffix(".codes") + ".weight"].bits
                    counts[bits] = counts.get(bits, 0) + int(np.size(tensor))
        return counts
