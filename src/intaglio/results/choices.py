"""What each width costs by each way to quantize: the table that the page on choosing bits and method rests on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from intaglio.evaluate import Record
from intaglio.results.grid import FLOAT
from intaglio.results.markdown import table

METHODS = ("minmax", "percentile", "dobi", "mse", "least-squares", "ptq4vit", "2dquant", "condiquant", "engrave")
"""The methods with a column: those that search bounds, those that also change grids or weights, those that learn."""

DATASET = "Set5"
"""The only test set on which every network has records."""


@dataclass
class Cell:
    """One network at one width: records by method, and the file's size."""

    float_psnr: float
    records: dict[str, Record] = field(default_factory=dict)

    def sizes(self) -> str:
        """Bytes of the smallest and largest file, in kB."""
        found = [record.bytes / 1000 for record in self.records.values() if record.bytes]
        return "-" if not found else f"{min(found):.0f}" if max(found) - min(found) < 1 else _span(found)


def choices_caption(records: Iterable[Record]) -> str:
    """What the figures of `choices_table` are."""
    names = sorted({one.calibration.name for one in _taken(records) if one.calibration})
    return (
        f"PSNR-Y in dB below the float network on {DATASET}, the newest record of each cell; calibrated on "
        f"{', '.join(names)}, bounds of weights for whole tensors, seed 0. In brackets the steps of a method that "
        "learns. A dash: not measured."
    )


def choices_table(records: Iterable[Record]) -> str:
    """A row for each network, coverage and width, a column for each of `METHODS`; empty without records."""
    cells = choices(list(records))
    rows = [
        (*name, f"{cell.float_psnr:.2f}", cell.sizes(), *(_loss(cell, method) for method in METHODS))
        for name, cell in cells.items()
    ]
    return table(("network", "coverage", "bits", "float dB", "kB", *METHODS), rows)


def choices(records: list[Record]) -> Mapping[tuple[str, str, str], Cell]:
    """What was measured by network, coverage and bits; networks in the order of their first record, many bits first."""
    floats, names = _floats(records), _names(records)
    cells: dict[tuple[str, str, str], Cell] = {}
    found = [one for one in _taken(records) if one.weights_sha256 in floats]
    for record in sorted(found, key=lambda one: (-(one.weight_bits or 0), one.created)):
        key = (names[record.weights_sha256], record.coverage or "-", f"w{record.weight_bits}a{record.act_bits}")
        cell = cells.setdefault(key, Cell(floats[record.weights_sha256 or ""]))
        cell.records[record.method] = record
    order = {name: place for place, name in enumerate(names.values())}
    return dict(sorted(cells.items(), key=lambda item: order[item[0][0]]))


def _names(records: Iterable[Record]) -> Mapping[str | None, str]:
    """How tables call each network: records also know some by the names of their files, which have no spaces."""
    names: dict[str | None, str] = {}
    for record in records:
        known = names.setdefault(record.weights_sha256, record.network)
        if " " in record.network and " " not in known:
            names[record.weights_sha256] = record.network
    return names


def _floats(records: Iterable[Record]) -> Mapping[str | None, float]:
    return {
        one.weights_sha256: one.psnr_y
        for one in records
        if one.method == FLOAT and one.dataset == DATASET and one.psnr_y is not None
    }


def _taken(records: Iterable[Record]) -> list[Record]:
    """Quantized networks on the test set: whole tensors, seed 0, calibrated on pictures; in integers where both were
    run."""
    return [
        one
        for one in records
        if one.dataset == DATASET
        and one.method in METHODS
        and one.psnr_y is not None
        and one.granularity in ("per-tensor", None)
        and one.seed in (0, None)
        and (one.calibration is None or not one.calibration.name.startswith("synthetic"))
        and (
            one.kind == "accuracy" or (one.kind == "agreement" and str(one.settings.get("run by")).startswith("native"))
        )
    ]


def _loss(cell: Cell, method: str) -> str:
    record = cell.records.get(method)
    if record is None or record.psnr_y is None:
        return "-"
    return f"{cell.float_psnr - record.psnr_y:.2f}" + (f"\N{NO-BREAK SPACE}({record.steps})" if record.steps else "")


def _span(found: list[float]) -> str:
    return f"{min(found):.0f}-{max(found):.0f}"
