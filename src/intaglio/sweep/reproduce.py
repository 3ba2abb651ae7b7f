"""Reproducing a paper's table: its grid as a plan, and published results beside ours, cell by cell.

What the tables are is `intaglio.published.paper`; running the plan is `run.py`; showing the comparison is the command
line's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TypeVar

from intaglio.errors import MethodError, RecipeError
from intaglio.evaluate import Record, canonical_name
from intaglio.methods import METHODS
from intaglio.published.paper import PaperRow, PaperTable
from intaglio.sweep.cell import FLOAT, Cell
from intaglio.sweep.plan import Folders, Missing, Plan, Planner
from intaglio.sweep.specification import CalibrationTable, GridTable, NetworkTable, Scalar, SweepFile

T = TypeVar("T")


@dataclass(frozen=True)
class Choice:
    """Which part of a table is reproduced, and with what. Empty tuples mean all of the table.

    `checkpoints` names a network of the user's own for a scale, in place of the published one; `network` is how its
    records call it. `settings` replace those of every method that has them, but for those that define a row.
    `calibration` is a folder below the folder of calibration sets; None means drawn pictures.
    """

    scales: tuple[int, ...] = ()
    bits: tuple[int, ...] = ()
    datasets: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    settings: Mapping[str, Scalar] = field(default_factory=dict)
    checkpoints: Mapping[int, str] = field(default_factory=dict)
    network: str | None = None
    calibration: str | None = None
    hold_out: int = 0
    seed: int = 0


@dataclass(frozen=True)
class Spot:
    """A cell of the table: its row, scale and width, and our cell; None where we cannot run it."""

    row: PaperRow
    scale: int
    bits: int
    cell: Cell | None


@dataclass(frozen=True)
class Reproduction:
    """A table with its plan: `spots` in the order of the paper, `floats` by scale."""

    table: PaperTable
    spots: tuple[Spot, ...]
    floats: Mapping[int, Cell]
    datasets: tuple[str, ...]
    plan: Plan


@dataclass(frozen=True)
class Comparison:
    """Published beside ours on one test set. Units: dB of PSNR-Y, None where nothing is published.

    Losses are held against the float network of the same side, `gap` is ours minus theirs: positive where we lose
    more.
    """

    label: str
    method: str
    scale: int
    bits: int
    dataset: str
    published: float | None
    published_loss: float | None
    ours: float | None
    ours_loss: float | None
    record: Record | None

    @property
    def gap(self) -> float | None:
        """Our loss minus the published one."""
        if self.ours_loss is None or self.published_loss is None:
            return None
        return self.ours_loss - self.published_loss


def plan_reproduction(table: PaperTable, choice: Choice, folders: Folders) -> Reproduction:
    """Resolve the chosen part of a table; what is missing is listed with where it is published, the rest is planned.

    Raises: RecipeError if the choice names something that the table has not; MethodError for a setting that no method
    of it has.
    """
    scales = _chosen("scale", choice.scales, table.scales)
    bits = _chosen("width", choice.bits, table.bits)
    datasets = _chosen("test set", tuple(canonical_name(name) for name in choice.datasets), table.datasets)
    rows = _rows(table, choice.methods)
    _check_settings(rows, choice.settings)
    names = {scale: _network_name(table, choice, scale) for scale in scales}
    planner = Planner(_sweep(table, choice, names, datasets, rows), folders)
    floats = {scale: cell for scale in scales for cell in planner.cells(_grid(names[scale], FLOAT))}
    spots = []
    for scale in scales:
        for width in bits:
            for row in rows:
                grid = _grid(names[scale], row.method, width, table, _settings(row, choice.settings), choice.seed)
                spots.append(Spot(row, scale, width, next(planner.cells(grid), None)))
    cells = {cell.content_hash: cell for cell in (*floats.values(), *(spot.cell for spot in spots)) if cell}
    missing = tuple(_with_origin(item, table, choice, names) for item in planner.missing)
    return Reproduction(table, tuple(spots), floats, datasets, Plan(tuple(cells.values()), missing, folders))


def compare(reproduction: Reproduction, records: Iterable[Record]) -> tuple[Comparison, ...]:
    """Published results beside those of `records`, in the order of the table."""
    by_key = {record.key(): record for record in records}
    return tuple(
        _comparison(reproduction, spot, name, by_key) for spot in reproduction.spots for name in reproduction.datasets
    )


def _comparison(reproduction: Reproduction, spot: Spot, dataset: str, by_key: Mapping[str, Record]) -> Comparison:
    table = reproduction.table
    theirs = table.published(spot.row, spot.scale, spot.bits, dataset)
    theirs_float = table.published_float(spot.scale, dataset)
    record = by_key.get(spot.cell.key(dataset)) if spot.cell else None
    origin = reproduction.floats.get(spot.scale)
    reference = by_key.get(origin.key(dataset)) if origin else None
    published = theirs.psnr if theirs else None
    ours = record.psnr_y if record else None
    return Comparison(
        label=spot.row.label,
        method=spot.row.method,
        scale=spot.scale,
        bits=spot.bits,
        dataset=dataset,
        published=published,
        published_loss=_difference(theirs_float.psnr if theirs_float else None, published),
        ours=ours,
        ours_loss=_difference(reference.psnr_y if reference else None, ours),
        record=record,
    )


def _difference(reference: float | None, value: float | None) -> float | None:
    return None if reference is None or value is None else reference - value


def _chosen(what: str, asked: tuple[T, ...], known: tuple[T, ...]) -> tuple[T, ...]:
    for value in asked:
        if value not in known:
            raise RecipeError(f"the table has no {what} {value}; it has {', '.join(map(str, known))}.")
    return tuple(value for value in known if not asked or value in asked)


def _rows(table: PaperTable, methods: tuple[str, ...]) -> tuple[PaperRow, ...]:
    known = tuple(dict.fromkeys(row.method for row in table.rows))
    chosen = _chosen("method", methods, known)
    return tuple(row for row in table.rows if row.method in chosen)


def _network_name(table: PaperTable, choice: Choice, scale: int) -> str:
    own = choice.checkpoints.get(scale)
    return f"{table.label} x{scale}" if own is None else choice.network or Path(own).stem


def _sweep(
    table: PaperTable, choice: Choice, names: Mapping[int, str], datasets: tuple[str, ...], rows: tuple[PaperRow, ...]
) -> SweepFile:
    networks = tuple(
        NetworkTable(name=name, checkpoint=choice.checkpoints.get(scale, table.checkpoint(scale).file))
        for scale, name in names.items()
    )
    calibration = CalibrationTable(folder=choice.calibration, hold_out=choice.hold_out)
    return SweepFile(
        networks=networks,
        datasets=datasets,
        grid=tuple(GridTable(methods=(row.method,)) for row in rows),
        calibrations={choice.calibration or "synthetic": calibration},
    )


def _grid(
    network: str,
    method: str,
    bits: int = 4,
    table: PaperTable | None = None,
    settings: Mapping[str, Scalar] | None = None,
    seed: int = 0,
) -> GridTable:
    coverages = (table.coverage,) if table else GridTable.model_fields["coverages"].default
    return GridTable(
        methods=(method,),
        networks=(network,),
        bits=(bits,),
        seeds=(seed,),
        coverages=coverages,
        settings=dict(settings or {}),
    )


def _settings(row: PaperRow, overrides: Mapping[str, Scalar]) -> dict[str, Scalar]:
    known = _fields(row.method)
    return {key: value for key, value in overrides.items() if key in known} | row.settings


def _fields(method: str) -> set[str]:
    entry = METHODS.get(method)
    return {one.name for one in fields(entry.make)} if entry else set()  # type: ignore[arg-type]


def _check_settings(rows: tuple[PaperRow, ...], settings: Mapping[str, Scalar]) -> None:
    known = set().union(*(_fields(row.method) for row in rows))
    if unknown := sorted(set(settings) - known):
        raise MethodError(
            f"no method of this table has a setting {unknown[0]!r}; they have {', '.join(sorted(known))}."
        )


def _with_origin(item: Missing, table: PaperTable, choice: Choice, names: Mapping[int, str]) -> Missing:
    """Where a missing network is published."""
    for scale, name in names.items():
        if item.what == f"network {name}" and scale not in choice.checkpoints:
            one = table.checkpoint(scale)
            digest = f"sha256 {one.sha256}" if one.sha256 else "its sha256 is not recorded"
            return Missing(item.what, f"{one.file} is published in {one.origin}; {digest}. {item.reason}")
    return item
