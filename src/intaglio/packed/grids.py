"""All grids of a file in one array of (lower, step) rows; a site names its rows by their start and count."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from intaglio._shapes import Float32
from intaglio.errors import BoundsError, SpecError
from intaglio.packed.errors import BitWidthError, ExtraTensorError, GridError, NonFiniteError
from intaglio.spec import MAX_BITS, MIN_BITS, Grid, Piece

Rows = tuple[tuple[float, float], ...]


class GridWriter:
    """Collects grids; sites with equal grids share their rows."""

    def __init__(self) -> None:
        self._starts: dict[Rows, int] = {}
        self._rows: list[tuple[float, float]] = []

    def add(self, grids: tuple[Grid, ...]) -> tuple[int, int]:
        """Start and count of the rows that hold these grids."""
        rows = tuple((grid.lower, grid.step) for grid in grids)
        if rows not in self._starts:
            self._starts[rows] = len(self._rows)
            self._rows.extend(rows)
        return self._starts[rows], len(rows)

    def array(self) -> Float32[np.ndarray, "rows 2"]:
        """The rows collected so far."""
        return np.array(self._rows, dtype="<f4").reshape(-1, 2)


class GridReader:
    """Grids of a file's rows; equal references give the same tuple, so that memory is bounded by the file.

    `spans` lists the (start, count) of every site. Raises: GridError if two spans overlap without being equal or a span
    leaves the array; ExtraTensorError if a row is not used; NonFiniteError for NaN or infinities.
    """

    def __init__(self, rows: Float32[np.ndarray, "rows 2"], spans: Iterable[tuple[int, int]]) -> None:
        if not np.isfinite(rows).all():
            raise NonFiniteError("the grids hold NaN or infinite values; quantize the model again.")
        ordered = sorted(set(spans))
        ends = [0, *(start + count for start, count in ordered)]
        for (start, count), end in zip(ordered, ends[:-1], strict=True):
            if start < end or count < 1 or start + count > len(rows):
                raise GridError(
                    f"{count} grids from row {start} overlap others or leave the {len(rows)}; quantize it again."
                )
        if sum(count for _, count in ordered) != len(rows):
            raise ExtraTensorError("some of the grids belong to no site; fetch the file again or quantize anew.")
        self._rows = rows
        self._known: dict[tuple[int, int, int, tuple[Piece, ...]], tuple[Grid, ...]] = {}

    def get(self, start: int, count: int, bits: Any, pieces: tuple[Piece, ...] = ()) -> tuple[Grid, ...]:
        """The grids of a site whose codes are `bits` wide and in `pieces`. Raises: BitWidthError, GridError."""
        if not MIN_BITS <= bits <= MAX_BITS:
            raise BitWidthError(f"codes of {bits} bits, expected {MIN_BITS} to {MAX_BITS}; quantize with such a width.")
        key = (start, count, bits, pieces)
        if key not in self._known:
            try:
                rows = self._rows[start : start + count].tolist()
                self._known[key] = tuple(Grid(lower, step, bits, pieces) for lower, step in rows)
            except (BoundsError, SpecError) as error:
                raise GridError(f"{error} Quantize the model again.") from None
        return self._known[key]
