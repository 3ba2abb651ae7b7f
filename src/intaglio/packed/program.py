"""The integer program: a straight line of operations on float tensors, with every quantized site's grid.

Values only: building one from a network is `intaglio.lower`, bytes are `format.py`, meaning is `runtime.reference`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from intaglio.packed.size import Extent, Size
from intaglio.spec import Coverage, Grid, SiteName

Attr = int | float | str | Size | tuple[int, ...] | tuple[float, ...] | tuple[Extent, ...]
"""A number, a word, a length, or a list of integers, of floats, or of lengths, as the operation's definition says."""


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
    """One operation. `kind` is a key of `intaglio.packed.ops.OPS`, which says what roles and attributes it has.

    `inputs` and `output` name values; each value is written once, before it is read. `tensors` holds, by role, float
    parameters (float32), indices (int32), and unpacked weight codes (uint8, one a byte; ``weight.codes``). `sites`
    holds, by role, the grids of activations and weights.
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
        """An attribute that the definition says is an integer."""
        value = self.attrs[name]
        assert isinstance(value, int)
        return value

    def real(self, name: str) -> float:
        """An attribute that the definition says is a number."""
        value = self.attrs[name]
        assert isinstance(value, float)
        return value

    def text(self, name: str) -> str:
        """An attribute that the definition says is a word."""
        value = self.attrs[name]
        assert isinstance(value, str)
        return value

    def integers(self, name: str) -> tuple[int, ...]:
        """An attribute that the definition says is a tuple of integers."""
        value = self.attrs[name]
        assert isinstance(value, tuple)
        return cast(tuple[int, ...], value)

    def reals(self, name: str) -> tuple[float, ...]:
        """An attribute that the definition says is a tuple of numbers."""
        value = self.attrs[name]
        assert isinstance(value, tuple)
        return cast(tuple[float, ...], value)

    def extent(self, name: str) -> Extent:
        """An attribute that the definition says is a length."""
        value = self.attrs[name]
        assert isinstance(value, int | Size)
        return value

    def extents(self, name: str) -> tuple[Extent, ...]:
        """An attribute that the definition says is a tuple of lengths."""
        value = self.attrs[name]
        assert isinstance(value, tuple)
        return cast(tuple[Extent, ...], value)


@dataclass(frozen=True)
class Program:
    """A network in integer form: operations in order; the first is ``input``, the last ``output``.

    Values between them are float32 tensors of rank 0 to 8; a map is (1, C, H, W).
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
                    bits = op.sites[role.removesuffix(".codes")].bits
                    counts[bits] = counts.get(bits, 0) + int(np.size(tensor))
        return counts
