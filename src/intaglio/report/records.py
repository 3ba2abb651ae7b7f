"""Rows of a report from records: other models and methods measured on the same cell, beside the one at hand."""

from __future__ import annotations

from collections.abc import Iterable

from intaglio.evaluate.records import Record
from intaglio.report.content import Role, Row


def rows_of_records(
    records: Iterable[Record],
    *,
    weights_sha256: str | None = None,
    scale: int | None = None,
    dataset: str | None = None,
) -> tuple[Row, ...]:
    """A row for each accuracy record of those float weights, scale and test set (None: any), in order; of repeats the
    last.

    Time is the record's, over its pictures where it names them. Where several networks, scales or test sets remain,
    rows and series carry their names, and none is the float or bicubic row of the page: there is no such single one.
    """
    wanted = {"kind": "accuracy", "weights_sha256": weights_sha256, "scale": scale, "dataset": dataset}
    asked = {name: value for name, value in wanted.items() if value is not None}
    fitting = (one for one in records if all(getattr(one, name) == value for name, value in asked.items()))
    latest = {record.key(): record for record in fitting}.values()
    several = len({_cell(record) for record in latest}) > 1
    calibrations = {record.calibration.name for record in latest if record.calibration is not None}
    return tuple(_row(record, _cell(record) if several else "", len(calibrations) > 1) for record in latest)


def _cell(record: Record) -> str:
    return f"{record.network} x{record.scale} {record.dataset}"


def _row(record: Record, cell: str, name_calibration: bool) -> Row:
    bits = "" if record.weight_bits is None else f"w{record.weight_bits}a{record.act_bits}"
    pictures = len(record.per_image or ())
    calibration = f"({record.calibration.name})" if name_calibration and record.calibration is not None else ""
    roles: dict[str, Role] = {} if cell else {"float": "float", "bicubic": "bicubic"}
    return Row(
        label=" ".join(filter(None, (record.method, bits, cell, calibration))),
        role=roles.get(record.method, "record"),
        psnr_y=record.psnr_y,
        ssim_y=record.ssim_y,
        bytes=record.bytes,
        milliseconds=1000 * record.seconds / pictures if record.seconds and pictures else None,
        series=" ".join(filter(None, (record.method, cell, calibration))),
        bits=bits,
        runs_on=str(record.extra.get("engine", "")),
    )
