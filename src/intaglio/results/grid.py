"""Accuracy records as rows and columns: a row is what was asked for, a column a test set under one calibration."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from intaglio.evaluate import KNOWN_DATASETS, Record

FLOAT = "float"
REFERENCES = (FLOAT, "bicubic")


@dataclass(frozen=True)
class Column:
    """A test set, and the calibration set under which methods are measured on it."""

    dataset: str
    calibration: str


@dataclass(frozen=True)
class Row:
    """One method with its settings at one pair of widths: records by column."""

    method: str
    weight_bits: int | None
    act_bits: int | None
    coverage: str | None
    granularity: str | None
    steps: int | None
    seed: int | None
    settings: str
    """As JSON with sorted keys."""
    records: Mapping[Column, Record] = field(default_factory=dict, hash=False, compare=False)

    @property
    def bits(self) -> str:
        """``w4a4``, or a dash for what is not quantized."""
        return "-" if self.weight_bits is None else f"w{self.weight_bits}a{self.act_bits}"


@dataclass(frozen=True)
class Grid:
    """All accuracy records of one network."""

    network: str
    scale: int
    weights_sha256: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    @property
    def calibrations(self) -> Mapping[str, str]:
        """Every calibration set with its size and hash, in words."""
        found = {}
        for row in self.rows:
            for record in row.records.values():
                if one := record.calibration:
                    found[one.name] = f"{one.name} ({one.count} pictures, sha256 {one.sha256[:12]})"
        return dict(sorted(found.items()))

    def loss(self, row: Row, column: Column) -> float | None:
        """PSNR-Y below the float network on the same test set, in dB; None where either is not measured."""
        record = row.records.get(column)
        reference = next((one for one in self.rows if one.method == FLOAT), None)
        origin = reference.records.get(column) if reference else None
        if record is None or origin is None or record.psnr_y is None or origin.psnr_y is None:
            return None
        return origin.psnr_y - record.psnr_y


def grids(records: Iterable[Record]) -> tuple[Grid, ...]:
    """One grid for each network and its weights, in order of their first record; of equal cells the last one
    counts."""
    last = {record.key(): record for record in records if record.kind == "accuracy" and record.dataset}
    networks: dict[tuple[str, int], list[Record]] = {}
    for record in last.values():
        networks.setdefault((record.network, record.scale), []).append(record)
    return tuple(_grid(found) for found in networks.values())


def _grid(records: Sequence[Record]) -> Grid:
    columns = _columns(records)
    rows: dict[Row, dict[Column, Record]] = {}
    for record in records:
        cells = rows.setdefault(_row(record), {})
        for column in columns:
            if column.dataset == record.dataset and _belongs(record, column):
                cells[column] = record
    made = [replace(row, records=cells) for row, cells in rows.items()]
    order = {method: place for place, method in enumerate(dict.fromkeys(row.method for row in made))}
    made.sort(key=lambda row: (_place(row), order[row.method], row.settings, row.seed or 0))
    hashes = [record.weights_sha256 for record in records if record.weights_sha256]
    return Grid(records[0].network, records[0].scale, hashes[0] if hashes else "", columns, tuple(made))


def _columns(records: Sequence[Record]) -> tuple[Column, ...]:
    names = {record.dataset for record in records if record.dataset}
    datasets = [*(name for name in KNOWN_DATASETS if name in names), *sorted(names - set(KNOWN_DATASETS))]
    calibrations = sorted({record.calibration.name for record in records if record.calibration}) or [""]
    return tuple(Column(dataset, calibration) for dataset in datasets for calibration in calibrations)


def _belongs(record: Record, column: Column) -> bool:
    """The float network and bicubic stand under every calibration."""
    return record.calibration is None or record.calibration.name == column.calibration


def _row(record: Record) -> Row:
    """The row that a record belongs to, still without records."""
    return Row(
        record.method,
        record.weight_bits,
        record.act_bits,
        record.coverage,
        record.granularity,
        record.steps,
        record.seed,
        json.dumps(dict(record.settings), sort_keys=True),
    )


def _place(row: Row) -> tuple[int, int, str]:
    """Float first, bicubic second, then by coverage and falling width."""
    if row.method in REFERENCES:
        return REFERENCES.index(row.method), 0, ""
    return len(REFERENCES), -16 * (row.weight_bits or 0) - (row.act_bits or 0), row.coverage or ""
