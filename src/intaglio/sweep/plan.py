"""From a sweep file and folders to cells: everything is resolved and hashed before anything is computed.

What cannot be had (a checkpoint, a test set) is listed; the cells that do not need it remain.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intaglio.app.quantizing import Recipe
from intaglio.arch import load
from intaglio.errors import CalibrationError, DatasetError, ImageError, IntaglioError
from intaglio.evaluate import Calibration, load_dataset
from intaglio.observe import CalibrationSet
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


class Planner:
    """Resolves the inputs of a sweep against the folders of a machine, then grids into cells.

    Checkpoints, calibration sets, test sets and methods that are not to be had are gathered in `missing`, and so are
    combinations that a method refuses.
    """

    def __init__(self, sweep: SweepFile, folders: Folders) -> None:
        self._missing: list[Missing] = []
        self._weights = {one.name: _weights(one, folders.checkpoints, self._missing) for one in sweep.networks}
        self._pictures = {
            name: _pictures(name, one, folders.calibration, self._missing) for name, one in sweep.calibrations.items()
        }
        self._datasets = {
            scale: tuple(name for name in sweep.datasets if _has_dataset(folders.data, name, scale, self._missing))
            for scale in sorted({one.scale for one in self._weights.values() if one})
        }

    @property
    def missing(self) -> tuple[Missing, ...]:
        """What is not to be had so far, each thing once."""
        return tuple(dict.fromkeys(self._missing))

    def cells(self, grid: GridTable) -> Iterator[Cell]:
        """The cells of one grid that can be run and measured on at least one test set."""
        for network in grid.networks or tuple(self._weights):
            weights = self._weights[network]
            if weights is not None and (datasets := self._datasets[weights.scale]):
                yield from _cells(grid, weights, self._pictures, datasets, self._missing)


def plan_sweep(sweep: SweepFile, folders: Folders) -> Plan:
    """Resolve a sweep against the folders of this machine; what cannot be had is listed, equal cells are planned
    once."""
    planner = Planner(sweep, folders)
    cells = {cell.content_hash: cell for grid in sweep.grid for cell in planner.cells(grid)}
    return Plan(tuple(cells.values()), planner.missing, folders)


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
