"""The other tables of the page: losses beside the published ones, bytes on disk, times."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

from intaglio.evaluate import Record
from intaglio.published.paper import PaperTable, load_table, table_names
from intaglio.published.rows import ablation_rows
from intaglio.results.grid import Column, Grid, Row
from intaglio.results.markdown import section, table


def published_tables(grid: Grid) -> tuple[str, ...]:
    """For each paper's table that has this kind of network: its losses against its float network beside ours."""
    tables = [load_table(name) for name in table_names()]
    return tuple(text for paper in tables if (text := _beside(grid, paper)))


def _beside(grid: Grid, paper: PaperTable) -> str:
    if not grid.network.startswith(paper.label) or grid.scale not in paper.scales:
        return ""
    if paper.results == "ablations_2dquant":
        return _ablation(paper)
    rows = [line for row in grid.rows for line in _lines(grid, paper, row)]
    columns = (
        "method",
        "bits",
        "steps",
        "calibration",
        "test set",
        "published loss dB",
        "our loss dB",
        "ours - published",
    )
    note = "The float networks differ, so that losses are compared and not PSNR."
    return section(f"{paper.title}, beside {grid.network}", note, table(columns, rows), level=3)


def _lines(grid: Grid, paper: PaperTable, row: Row) -> list[tuple[str, ...]]:
    entry = next((one for one in paper.rows if one.method == row.method), None)
    if entry is None or row.coverage != paper.coverage or row.weight_bits is None or row.weight_bits != row.act_bits:
        return []
    lines: list[tuple[str, ...]] = []
    for column in grid.columns:
        ours, theirs = grid.loss(row, column), _published_loss(paper, row.method, grid.scale, row.weight_bits, column)
        if ours is not None and theirs is not None:
            name = (row.method, row.bits, str(row.steps or 0), column.calibration, column.dataset)
            lines.append((*name, f"{theirs:.2f}", f"{ours:.2f}", f"{ours - theirs:+.2f}"))
    return lines


def _published_loss(paper: PaperTable, method: str, scale: int, bits: int, column: Column) -> float | None:
    entry = next(one for one in paper.rows if one.method == method)
    theirs = paper.published(entry, scale, bits, column.dataset)
    origin = paper.published_float(scale, column.dataset)
    return None if theirs is None or origin is None else origin.psnr - theirs.psnr


def _ablation(paper: PaperTable) -> str:
    """The paper's ablations as losses; ours stand under their own heading with their settings."""
    rows = []
    for row in ablation_rows():
        origin = paper.published_float(row.scale, row.dataset)
        if origin is not None:
            rows.append((row.factor, row.setting, row.dataset, f"{row.psnr:.2f}", f"{origin.psnr - row.psnr:.2f}"))
    columns = ("factor", "setting", "test set", "published PSNR-Y dB", "published loss dB")
    return section(f"{paper.title} (published)", table(columns, rows), level=3)


def size_table(records: Iterable[Record]) -> str:
    """Bytes of the packed files, which depend on widths and coverage and hardly on the method."""
    sizes: dict[tuple[str, int, str, str], set[int]] = {}
    for record in records:
        if record.bytes is not None:
            bits = "-" if record.weight_bits is None else f"w{record.weight_bits}a{record.act_bits}"
            sizes.setdefault((record.network, record.scale, bits, record.coverage or "-"), set()).add(record.bytes)
    rows = [
        (network, f"x{scale}", bits, coverage, _span(found))
        for (network, scale, bits, coverage), found in sorted(sizes.items(), key=lambda item: (item[0][:2], item[0][2]))
    ]
    return table(("network", "scale", "bits", "coverage", "bytes"), rows)


def _span(sizes: set[int]) -> str:
    low, high = min(sizes), max(sizes)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def peers_table(records: Iterable[Record]) -> str:
    """How many times as long each peer took as the integer engine, on the same picture in the same run."""
    found = with_peers(records)
    names = list(dict.fromkeys(name for record in found for name in peers_of(record)))
    rows = []
    for record in found:
        peers = peers_of(record)
        own = f"{1e3 * cast(float, record.extra['median_seconds_in_turn']):.0f} ms"
        free = record.extra.get("not_limited", ())
        ratios = (f"{peers[name]['ratio']:.2f}{'*' * (name in free)}" if name in peers else "-" for name in names)
        size, backend = str(record.settings["size"]), str(record.settings["backend"])
        bits, threads = f"w{record.weight_bits}a{record.act_bits}", str(record.settings["threads"])
        rows.append((f"{record.network} x{record.scale}", bits, size, backend, threads, own, *ratios))
    precisions = {name: peer["precision"] for record in found for name, peer in peers_of(record).items()}
    titles = [f"{name} ({precisions[name]})" for name in names]
    columns = ("network", "bits", "LR picture", "instructions", "threads", "intaglio", *titles)
    return table(columns, rows) if rows else ""


def peers_caption(records: Iterable[Record]) -> str:
    """What the ratios of `peers_table` are ratios of, and on what machine."""
    found = with_peers(records)
    machines = sorted({f"{one.machine.cpu}, {one.machine.cores} cores" for one in found})
    star = " *: a peer that is limited to that instruction set in part or not at all." * any(
        record.extra.get("not_limited") for record in found
    )
    return (
        "Times of the peers divided by ours: medians of interleaved runs of the whole network, with the same float "
        f"weights on the same picture; {'; '.join(machines)}. Ratios hold for this machine and run. Of several "
        f"records for a row the newest counts.{star}"
    )


def with_peers(records: Iterable[Record]) -> list[Record]:
    """The records that time peers; of those that would share a row the last one."""
    last = {_peers_row(one): one for one in records if one.kind == "speed" and one.extra.get("peers")}
    return list(last.values())


def _peers_row(record: Record) -> tuple[object, ...]:
    """What tells rows of `peers_table` apart, and the machine."""
    how = (record.settings[name] for name in ("size", "backend", "threads"))
    return (record.network, record.scale, record.weight_bits, record.act_bits, *how, record.machine.cpu)


def peers_of(record: Record) -> dict[str, dict[str, Any]]:
    """The peers of a record by name, each with its `precision` and the `ratio` of its time to ours."""
    return cast(dict[str, dict[str, Any]], record.extra["peers"])


def agreement_table(records: Iterable[Record]) -> str:
    """One quantized network by what ran it: PSNR-Y on a test set, which rounding alone may move."""
    rows = [
        (
            f"{record.network} x{record.scale}",
            f"w{record.weight_bits}a{record.act_bits}",
            record.method,
            "-" if record.calibration is None else record.calibration.name,
            "-" if record.seed is None else str(record.seed),
            record.dataset or "-",
            str(record.settings.get("run by", "-")),
            "-" if record.psnr_y is None else f"{record.psnr_y:.4f}",
            "-" if record.ssim_y is None else f"{record.ssim_y:.5f}",
            f"{record.extra['difference']:.4f}" if "difference" in record.extra else "-",
        )
        for record in records
        if record.kind == "agreement"
    ]
    columns = (
        "network",
        "bits",
        "method",
        "calibration",
        "seed",
        "test set",
        "run by",
        "PSNR-Y dB",
        "SSIM-Y",
        "largest difference, dB",
    )
    return table(columns, rows) if rows else ""


def speed_table(records: Sequence[Record]) -> str:
    """Every time that was measured on purpose, with its machine; times of different machines do not compare."""
    rows = []
    for record in sorted({one.key(): one for one in records if one.kind == "speed"}.values(), key=_speed_order):
        settings = ", ".join(f"{key}={value}" for key, value in record.settings.items())
        bits = "-" if record.weight_bits is None else f"w{record.weight_bits}a{record.act_bits}"
        machine = f"{record.machine.cpu}, {record.machine.cores} cores"
        seconds = "-" if record.seconds is None else f"{record.seconds:.4g}"
        rows.append((record.network, record.method, bits, settings or "-", seconds, machine))
    return table(("network", "what", "bits", "how", "seconds", "machine"), rows)


def _speed_order(record: Record) -> tuple[str, str, str]:
    return record.network, record.method, str(dict(record.settings))
