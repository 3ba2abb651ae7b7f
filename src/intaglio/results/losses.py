"""What our method loses beside what the published ones lose, where all had as many steps on the same pictures."""

from __future__ import annotations

from collections.abc import Iterable

from intaglio.evaluate import Record
from intaglio.results.grid import Column, Grid, Row, grids
from intaglio.results.markdown import table

OURS = "engrave"
THEIRS = "condiquant"
BESIDE = (OURS, THEIRS, "2dquant")
"""Methods with a column of losses."""

_CELL = ("network", "bits", "coverage", "steps", "crops a step", "seed", "test set", "float dB")


def losses_caption(_records: Iterable[Record]) -> str:
    """What the figures of `losses_table` are."""
    return (
        "Loss of PSNR-Y against the float network, in dB. The methods of a row learned for the same number of steps, "
        "on crops of the same number and size from the same calibration pictures. Share: the loss of "
        f"{OURS} over that of {THEIRS}; the target is 0.50. Last iterates; nothing was chosen on a test set."
    )


def losses_table(records: Iterable[Record]) -> str:
    """A row for each cell that `OURS` and `THEIRS` were both measured in; empty without any."""
    rows = [line for grid in grids(records) for column in grid.columns for line in _lines(grid, column)]
    titles = (*_CELL, *(f"{method} loss" for method in BESIDE), "share")
    return table(titles, rows) if rows else ""


def _lines(grid: Grid, column: Column) -> list[tuple[str, ...]]:
    cells: dict[tuple[object, ...], dict[str, Row]] = {}
    for row in grid.rows:
        if row.method in BESIDE and row.steps and column in row.records:
            cells.setdefault(_cell(row, column), {})[row.method] = row
    return [
        _line(grid, column, cell)
        for cell in cells.values()
        if {OURS, THEIRS} <= cell.keys() and grid.loss(cell[OURS], column) is not None
    ]


def _cell(row: Row, column: Column) -> tuple[object, ...]:
    widths = (row.weight_bits, row.act_bits, row.coverage, row.granularity)
    return (*widths, row.steps, row.seed, *_crops(row, column))


def _crops(row: Row, column: Column) -> tuple[int, int]:
    """How many crops a step sees, and their side in pixels."""
    settings = row.records[column].settings
    return int(settings.get("batch", 0)), int(settings.get("crop_size", settings.get("patch_size", 0)))


def _line(grid: Grid, column: Column, cell: dict[str, Row]) -> tuple[str, ...]:
    ours = cell[OURS]
    losses = {method: grid.loss(row, column) for method, row in cell.items()}
    mine, theirs, record = losses[OURS], losses[THEIRS], ours.records[column]
    assert mine is not None, "asked for by `_lines`"
    assert theirs is not None, "as ours: both stand beside the same float network"
    assert record.psnr_y is not None, "it has a loss"
    batch, side = _crops(ours, column)
    name = (grid.network, ours.bits, ours.coverage or "-", str(ours.steps), f"{batch} of {side} px", str(ours.seed))
    return (
        *name,
        column.dataset,
        f"{record.psnr_y + mine:.2f}",
        *(_decimals(losses.get(method)) for method in BESIDE),
        f"{mine / theirs:.2f}" if theirs > 0.0 else "-",
    )


def _decimals(loss: float | None) -> str:
    return "-" if loss is None else f"{loss:.2f}"
