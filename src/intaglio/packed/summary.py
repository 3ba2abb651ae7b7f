"""What a packed model holds and what it weighs on disk. Nothing is printed here: the command line does that."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from intaglio.packed.bits import packed_size
from intaglio.packed.container import read
from intaglio.packed.format import GRIDS, OPERATIONS, decode
from intaglio.packed.layout import CODES
from intaglio.packed.pools import POOLS
from intaglio.packed.program import Program
from intaglio.packed.shapes import multiply_adds
from intaglio.spec import SiteName


@dataclass(frozen=True)
class SiteRow:
    """One site: width in bits and codes in use, least and greatest bound over its grids, and its weight codes (0 for an
    activation)."""

    site: SiteName
    bits: int
    used: tuple[int, ...]
    lower: float
    upper: float
    grids: int
    codes: int
    bytes: int


@dataclass(frozen=True)
class SizeReport:
    """Bytes of a packed file. `overhead` is the rest: header, operations, grids."""

    total: int
    codes: int
    floats: int

    @property
    def overhead(self) -> int:
        """Bytes that are neither packed codes nor float parameters."""
        return self.total - self.codes - self.floats

    @property
    def ratio(self) -> float:
        """File size over packed codes and float tensors alone."""
        return self.total / max(1, self.codes + self.floats)


def summarise(program: Program) -> list[SiteRow]:
    """A row for each site, in the order of execution."""
    rows = []
    for op in program.ops:
        for role, site in op.sites.items():
            codes = op.tensors.get(role + CODES)
            count = 0 if codes is None else codes.size
            lower = min(grid.lower for grid in site.grids)
            upper = max(grid.upper for grid in site.grids)
            size = packed_size(count, site.bits)
            rows.append(SiteRow(site.name, site.bits, site.grids[0].codes, lower, upper, len(site.grids), count, size))
    return rows


def attention_window(program: Program) -> int | None:
    """The longer side of the largest attention windows, in their own map's pixels; None where no operation names any.

    >>> import numpy as np
    >>> from intaglio.packed.examples import random_program
    >>> attention_window(random_program(np.random.default_rng(0), window=4))
    4
    """
    windows = [op.integers("window") for op in program.ops if op.kind in ("position_bias", "shift_mask")]
    return max((max(window) for window in windows), default=None)


@dataclass(frozen=True)
class Work:
    """Multiply-adds for one picture: in products of codes, and in products of floats."""

    quantized: int
    floating: int

    @property
    def share(self) -> float:
        """The part that is done in integers; 0 where there is no work at all."""
        return self.quantized / max(1, self.quantized + self.floating)


def work(program: Program, height: int, width: int) -> Work:
    """Multiply-adds for a picture of `height` by `width` pixels.

    Raises: ShapeError, ScaleError, if the program does not take pictures of that size.
    """
    costs = multiply_adds(program, height, width)
    quantized = sum(costs.get(op.name, 0) for op in program.ops if op.sites)
    return Work(quantized, sum(costs.values()) - quantized)


def kinds(program: Program) -> dict[str, int]:
    """How many operations of each kind there are, the most frequent first."""
    return dict(Counter(op.kind for op in program.ops).most_common())


def size_report(path: str | os.PathLike[str]) -> SizeReport:
    """Bytes on disk of a packed model, by what they hold. Raises: PackedError, as `intaglio.packed.format.load`."""
    container = read(path)
    decode(container)
    codes = sum(array.nbytes for name, array in container.arrays.items() if name == POOLS["U8"])
    total = Path(path).stat().st_size
    tensors = sum(array.nbytes for name, array in container.arrays.items() if name not in (GRIDS, OPERATIONS))
    return SizeReport(total, codes, tensors - codes)
