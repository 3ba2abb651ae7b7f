"""From a sweep file and folders to cells: everything is resolved and hashed before anything is computed.

What cannot be had (a checkpoint, a test set) is listed; the cells that do not need it remain.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intaglio.arch import load
from intaglio.errors import CalibrationError, DatasetError, ImageError, IntaglioError
from intaglio.evaluate import Calibration, load_dataset
from intaglio.observe import CalibrationSet
from intaglio.pipeline import Recipe
from intaglio.provenance import file_sha256
from intaglio.spec import QuantSpec
from intaglio.sweep.cell import REFERENCES, Cell, Pictures, Weights
from intaglio.sweep.specification import CalibrationTable, GridTable, NetworkTable, SweepFile


@dataclass(frozen=True)
class Folders:
    """Where checkpoints, calibration sets and test sets lie on this machine."""

    checkpoints: Path
    calibration: Path
    data: Path


@dataclass(frozen=True)
class Missing:
    """Something that a sweep asks for and that is not to be had: what, and why."""

    what: str
    reason: str


@dataclass(frozen=True)
class Plan:
    """The cells of a sweep in the order of its file, each once, and what had to be left out."""

    cells: tuple[Cell, ...]
    missing: tuple[Missing, ...]
    folders: Folders


def plan_sweep(sweep: SweepFile, folders: Folders) -> Plan:
    """Resolve a sweep against the folders of this machine.

    Checkpoints, calibration sets, test sets and methods that are not to be had become `Missing`, and so do
    combinations that no method accepts; everything else is planned. Equal cells are planned once.
    """
    missing: list[Missing] = []
    weights = {table.name: _weights(table, folders.checkpoints, missing) for table in sweep.networks}
    root = folders.calibration
    pictures = {name: _pictures(name, table, root, missing) for name, table in sweep.calibrations.items()}
    cells: dict[str, Cell] = {}
    for grid in sweep.grid:
        for network in grid.networks or tuple(weights):
            origin = weights[network]
            if origin is None:
                continue
            datasets = tuple(name for name in sweep.datasets if _has_dataset(folders.data, name, origin.scale, missing))
            for cell in _cells(grid, origin, pictures, datasets, missing):
                cells.setdefault(cell.content_hash, cell)
    planned = tuple(cell for cell in cells.values() if cell.datasets)
    return Plan(planned, tuple(dict.fromkeys(missing)), folders)


def open_pictures(pictures: Pictures) -> CalibrationSet:
    """The pictures of a cell. Raises: CalibrationError if they are not those that were planned with."""
    found = _open(pictures.folder, pictures.hold_out, pictures.count, pictures.size, pictures.seed)
    if found.content_hash != pictures.content.sha256:
        raise CalibrationError(f"the pictures of {pictures.label!r} changed since planning; start the sweep again.")
    return found


def _open(folder: Path | None, hold_out: int, count: int, size: int, seed: int) -> CalibrationSet:
    if folder is None:
        return CalibrationSet.synthetic(count, size, seed)
    return CalibrationSet.from_folder(folder, hold_out=hold_out)


def _weights(table: NetworkTable, folder: Path, missing: list[Missing]) -> Weights | None:
    path = (folder / table.checkpoint).absolute()
    try:
        network = load(path)
    except IntaglioError as error:
        missing.append(Missing(f"network {table.name}", str(error)))
        return None
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return Weights(table.name, path, file_sha256(path), network.scale, parameters)


def _pictures(name: str, table: CalibrationTable, root: Path, missing: list[Missing]) -> Pictures | None:
    folder = None if table.folder is None else (root / table.folder).absolute()
    try:
        found = _open(folder, table.hold_out, table.count, table.size, table.seed)
    except (ImageError, CalibrationError, DatasetError) as error:
        missing.append(Missing(f"calibration {name}", str(error)))
        return None
    content = Calibration(name, found.content_hash, len(found.pictures))
    return Pictures(name, content, folder, table.hold_out, table.count, table.size, table.seed)


def _has_dataset(root: Path, name: str, scale: int, missing: list[Missing]) -> bool:
    try:
        return len(load_dataset(root, name, scale)) > 0
    except IntaglioError as error:
        missing.append(Missing(f"test set {name} x{scale}", str(error)))
        return False


def _cells(
    grid: GridTable,
    origin: Weights,
    pictures: dict[str, Pictures | None],
    datasets: tuple[str, ...],
    missing: list[Missing],
) -> Iterator[Cell]:
    for method in grid.methods:
        if method in REFERENCES:
            yield Cell(origin, method, datasets)
            continue
        for axes in _axes(grid, tuple(pictures)):
            chosen = pictures[axes["calibration"]]
            if chosen is None:
                continue
            try:
                yield _resolved(origin, method, datasets, chosen, axes)
            except IntaglioError as error:
                missing.append(Missing(f"method {method}", str(error)))


def _axes(grid: GridTable, calibrations: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Every combination of a grid's lists, the last axis fastest."""
    axes: dict[str, Sequence[Any]] = {
        "bits": grid.bits,
        "coverage": grid.coverages,
        "granularity": grid.granularities,
        "share_input": grid.share_input,
        "calibration": grid.calibrations or calibrations,
        "settings": tuple(_settings(grid)),
        "seed": grid.seeds,
    }
    for values in itertools.product(*axes.values()):
        yield dict(zip(axes, values, strict=True))


def _settings(grid: GridTable) -> Iterator[dict[str, Any]]:
    choices = [value if isinstance(value, tuple) else (value,) for value in grid.settings.values()]
    for values in itertools.product(*choices):
        yield dict(zip(grid.settings, values, strict=True))


def _resolved(
    origin: Weights, method: str, datasets: tuple[str, ...], pictures: Pictures, axes: dict[str, Any]
) -> Cell:
    weight_bits, act_bits = axes["bits"] if isinstance(axes["bits"], tuple) else (axes["bits"], axes["bits"])
    spec = QuantSpec(weight_bits, act_bits, axes["coverage"], axes["granularity"], axes["share_input"])
    resolved = Recipe(spec, method, axes["settings"], axes["seed"]).resolved()
    return Cell(
        weights=origin,
        method=method,
        datasets=datasets,
        weight_bits=weight_bits,
        act_bits=act_bits,
        coverage=spec.coverage.value,
        granularity=spec.weight_granularity.value,
        share_input=spec.share_input,
        pictures=pictures,
        seed=axes["seed"],
        settings=tuple(sorted(resolved["settings"].items())),
    )
