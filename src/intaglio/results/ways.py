"""One packed network by every way that runs it: the simulator, our engine, the exported files in other runtimes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from intaglio.evaluate import Record
from intaglio.results.markdown import table

SIMULATOR, ENGINE = "simulator", "native"
RUNTIMES = {"ONNX Runtime": "export, onnxruntime", "OpenVINO": "export, openvino"}
"""Runtimes by title, and what ran the network as `benchmarks/strong.py` records it."""

_COLUMNS = (
    "network", "bits", "coverage", "float dB", "simulator dB", "engine dB", *(f"{title} dB" for title in RUNTIMES),
    "bytes", *(f"integers in {title}" for title in RUNTIMES), "flips that arrive",
)  # fmt: skip


class _Cell(NamedTuple):
    network: str
    scale: int
    bits: int
    coverage: str


def ways_caption(records: Iterable[Record]) -> str:
    """What the figures of `ways_table` are."""
    shown = [one for one in records if _way(one)]
    methods, sets = sorted({one.method for one in shown}), sorted({one.dataset for one in shown if one.dataset})
    calibrations = sorted({one.calibration.name for one in shown if one.calibration})
    return (
        f"Mean PSNR-Y on {', '.join(sets)} of published networks, quantized by {', '.join(methods)}, which learns "
        f"nothing, on a few crops of {', '.join(calibrations)}: not figures of quality, but of agreement. Bytes of the "
        "packed file. Products of codes that the runtime computed in integers, of all. Flips that arrive: the share of "
        "codes that differ from the simulator's where every earlier site was given the simulator's values."
    )


def ways_table(records: Iterable[Record]) -> str:
    """A row for each network and width; empty without any."""
    records = list(records)
    floats = {(one.network, one.scale): one.psnr_y for one in records if one.method == "float"}
    cells: dict[_Cell, dict[str, Record]] = {}
    for record in records:
        if way := _way(record):
            cell = _Cell(record.network, record.scale or 1, record.weight_bits or 0, record.coverage or "-")
            cells.setdefault(cell, {})[way] = record
    rows = [_row(cell, floats.get(cell[:2]), found) for cell, found in sorted(cells.items(), key=_order)]
    return table(_COLUMNS, rows)


def _order(item: tuple[_Cell, object]) -> tuple[str, int, int]:
    cell = item[0]
    return cell.network, cell.scale, -cell.bits


def _way(record: Record) -> str:
    """What ran a network, empty for a record of something else."""
    return str(record.settings.get("run by", "")) if record.kind == "agreement" else ""


def _row(cell: _Cell, float_psnr: float | None, found: Mapping[str, Record]) -> tuple[str, ...]:
    size = found[ENGINE].bytes if ENGINE in found else None
    return (
        cell.network,
        f"w{cell.bits}a{cell.bits}",
        cell.coverage,
        "-" if float_psnr is None else f"{float_psnr:.2f}",
        *(_decibels(found.get(way)) for way in (SIMULATOR, ENGINE, *RUNTIMES.values())),
        "-" if size is None else f"{size:,}",
        *(_integers(found.get(way)) for way in RUNTIMES.values()),
        _arrived(found),
    )


def _decibels(record: Record | None) -> str:
    return "-" if record is None or record.psnr_y is None else f"{record.psnr_y:.3f}"


def _integers(record: Record | None) -> str:
    if record is None:
        return "-"
    return f"{record.extra['products_in_integers']} of {record.extra['products']}"


def _arrived(found: Mapping[str, Record]) -> str:
    shares = [one.extra["arrived_flip_share"] for one in found.values() if "arrived_flip_share" in one.extra]
    return f"{max(shares):.1e}" if shares else "-"
