"""The page of results and the README's table, composed from records; every number with what it was measured with."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from intaglio.evaluate import PROTOCOL, Record, protocol_text
from intaglio.results.choices import choices_caption, choices_table
from intaglio.results.grid import FLOAT, REFERENCES, Column, Grid, Row, grids
from intaglio.results.losses import losses_caption, losses_table
from intaglio.results.markdown import section, table
from intaglio.results.qat import qat_caption, qat_table
from intaglio.results.tables import (
    agreement_table,
    peers_caption,
    peers_table,
    published_tables,
    size_table,
    speed_table,
)
from intaglio.results.ways import ways_caption, ways_table

HEADLINE = "published"
"""The file of records that comes first, and that the README's table of quality is made of."""

STRONG = "strong"
"""The file of records in which published networks go from weights to every runtime."""

METHODS = "methods"
"""The file of records with a page of its own: all methods side by side."""

VARIED = ("ablation", "percentile")
"""The files whose records vary the settings of one method."""

_INTRODUCTION = (
    "Generated from `results/*.jsonl` by `intaglio results build`; do not edit. Loss is PSNR-Y in dB below the float "
    "network on the same test set. Every quantized row is the last iterate: nothing was chosen on a test set."
)


def results_page(files: Mapping[str, Sequence[Record]]) -> str:
    """The whole page from the records of each file by its stem; files in alphabetical order, the headline first."""
    names = sorted(files, key=lambda name: (name != HEADLINE, name))
    everything = [record for name in names for record in files[name]]
    shown = [name for name in names if name != METHODS]
    parts = [section("Ours beside the published methods", *_captioned(losses_caption, losses_table, everything))]
    parts += [section(f"Accuracy: {name}", *(_accuracy(grid) for grid in grids(files[name]))) for name in shown]
    parts += [
        section("Published beside ours", *(part for grid in grids(everything) for part in published_tables(grid))),
        section("From weights to every runtime", *_captioned(ways_caption, ways_table, files.get(STRONG, ()))),
        section("Agreement of simulator, reference and core", agreement_table(everything)),
        section("Bytes on disk", size_table(everything)),
        section("Calibration beside quantization-aware training", *_captioned(qat_caption, qat_table, everything)),
        section("Speed beside peers", *_captioned(peers_caption, peers_table, everything)),
        section("Speed", speed_table(everything)),
    ]
    return "\n\n".join(("# Results", _INTRODUCTION, *(part for part in parts if part))) + "\n"


def readme_table(files: Mapping[str, Sequence[Record]]) -> str:
    """The headlines for the README: quality on strong networks, and speed; empty where there is none."""
    everything = everything_in(files)
    quality = section("Quality", *_captioned(losses_caption, losses_table, files.get(HEADLINE, ())), level=3)
    speed = section("Speed beside peers", *_captioned(peers_caption, peers_table, everything), level=3)
    return "\n\n".join(part for part in (quality, speed) if part)


def methods_tables(files: Mapping[str, Sequence[Record]]) -> str:
    """All methods side by side, a table for each network, with the seconds that quantizing took; empty without
    records."""
    return "\n\n".join(_accuracy(grid, {"quantizing": _seconds}) for grid in grids(files.get(METHODS, ())))


def choosing_table(files: Mapping[str, Sequence[Record]]) -> str:
    """What each width costs by each method; without the files that vary the settings of one method."""
    return "\n\n".join(_captioned(choices_caption, choices_table, choosing_records(files)))


def peers_tables(files: Mapping[str, Sequence[Record]]) -> str:
    """Times of the peers beside ours; empty without records."""
    return "\n\n".join(_captioned(peers_caption, peers_table, everything_in(files)))


def everything_in(files: Mapping[str, Sequence[Record]]) -> list[Record]:
    """All records, file by file in alphabetical order."""
    return [record for name in sorted(files) for record in files[name]]


def choosing_records(files: Mapping[str, Sequence[Record]]) -> list[Record]:
    """The records that the table of `choosing_table` is made of."""
    return [one for name in sorted(files) if name not in VARIED for one in files[name]]


_Part = Callable[[Sequence[Record]], str]


def _captioned(caption: _Part, table_of: _Part, records: Sequence[Record]) -> tuple[str, ...]:
    """A caption and its table; nothing where the table is empty."""
    shown = table_of(records)
    return (caption(records), shown) if shown else ()


def _accuracy(grid: Grid, more: Mapping[str, Callable[[Row], str]] = MappingProxyType({})) -> str:
    """PSNR-Y / SSIM-Y (loss) of every row, test sets side by side, calibration sets beside each other; `more` columns
    by title."""
    varied = _varied(grid.rows)
    columns = ("method", "bits", "coverage", "weights", "steps", "seed", *(("settings",) if varied else ()), *more)
    rows = [
        (
            *(row.method, row.bits, row.coverage or "-", row.granularity or "-", _number(row.steps), _number(row.seed)),
            *((_settings_text(row, varied),) if varied else ()),
            *(text(row) for text in more.values()),
            *(_cell(grid, row, column) for column in grid.columns),
        )
        for row in grid.rows
    ]
    titles = (*columns, *(f"{column.dataset}, {column.calibration}".rstrip(", ") for column in grid.columns))
    return section(f"{grid.network}, x{grid.scale}", _caption(grid), table(titles, rows), _footnotes(grid), level=3)


def _caption(grid: Grid) -> str:
    return (
        "PSNR-Y dB / SSIM-Y (loss against float dB); columns name test set and calibration set. "
        f"Float weights sha256 {grid.weights_sha256[:16]}. Protocol `{PROTOCOL}`: {protocol_text(grid.scale)}."
    )


def _cell(grid: Grid, row: Row, column: Column) -> str:
    record = row.records.get(column)
    if record is None or record.psnr_y is None or record.ssim_y is None:
        return "-"
    loss = grid.loss(row, column)
    shown = "" if loss is None or row.method == FLOAT else f" ({loss:.2f})"
    return f"{record.psnr_y:.2f} / {record.ssim_y:.4f}{shown}"


def _seconds(row: Row) -> str:
    """Processor time that quantizing took, of the first record that tells; a resumed run does not."""
    found = (record.extra.get("quantize_cpu_seconds") for record in row.records.values())
    return next((f"{seconds:.0f} s" for seconds in found if isinstance(seconds, float)), "-")


def _footnotes(grid: Grid) -> str:
    lines = [f"- calibration {text}" for text in grid.calibrations.values()]
    shared: dict[str, None] = {}
    for row in grid.rows:
        if row.method not in REFERENCES:
            shared[f"- {row.method}: settings {_plain(row.settings)}"] = None
    engines = sorted({str(record.extra["engine"]) for record in _records(grid) if "engine" in record.extra})
    lines += [*shared, *((f"- measured by: {', '.join(engines)}",) if engines else ())]
    return "\n".join(lines)


def _records(grid: Grid) -> list[Record]:
    return [record for row in grid.rows for record in row.records.values()]


def _varied(rows: Sequence[Row]) -> tuple[str, ...]:
    """The settings that differ between rows of one method and width."""
    seen: dict[tuple[str, str, str], set[str]] = {}
    for row in rows:
        for key, value in _parsed(row.settings).items():
            seen.setdefault((row.method, row.bits, key), set()).add(str(value))
    return tuple(sorted({key for (_, _, key), values in seen.items() if len(values) > 1}))


def _settings_text(row: Row, keys: Sequence[str]) -> str:
    values = _parsed(row.settings)
    return ", ".join(f"{key}={values[key]}" for key in keys if key in values) or "-"


def _plain(settings: str) -> str:
    return ", ".join(f"{key}={value}" for key, value in _parsed(settings).items()) or "none"


def _parsed(settings: str) -> dict[str, object]:
    found = json.loads(settings)
    assert isinstance(found, dict)
    return found


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)
