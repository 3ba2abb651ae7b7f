"""Calibration beside quantization-aware training: what equal PSNR-Y costs and what equal time buys.

The records are those of `benchmarks/qat.py`; what each figure means stands in the caption.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

from intaglio.evaluate import Record
from intaglio.results.markdown import table

_COLUMNS = ("method", "network", "bits", "coverage", "steps", "seed", "how", "PSNR-Y dB", "loss dB")
_TIMES = ("seconds", "of processor", "processor / OAQ's")


def qat_table(records: Iterable[Record]) -> str:
    """A row for each method and for two moments of each training; empty without records of kind ``qat``."""
    found = _latest(records)
    origins = {(one.network, one.scale, one.dataset): one.psnr_y for one in found if one.method == "float"}
    rows = [_row(record, origins.get((record.network, record.scale, record.dataset))) for record in found]
    return table((*_COLUMNS, *_TIMES), rows)


def qat_caption(records: Iterable[Record]) -> str:
    """Where PSNR-Y is read, what was calibrated on, on what machine, and what is extrapolated and not measured."""
    found = _latest(records)
    datasets = sorted({one.dataset for one in found if one.dataset})
    sets = sorted(
        {f"{one.name} ({one.count} pictures, sha256 {one.sha256[:12]})" for r in found if (one := r.calibration)}
    )
    machines = sorted({f"{one.machine.cpu}, {one.machine.cores} cores" for one in found})
    parts = [
        f"PSNR-Y on calibration pictures that were kept apart ({'; '.join(datasets)}), on no test set; calibrated or "
        f"trained on {'; '.join(sets)}. `qat` trains weights, biases and bounds against HR pictures from the bounds of "
        "`start`, whose time counts; that of validating does not. `until=PSNR-Y of oaq` is its first validation that "
        "is not below OAQ, `until=end` its last, at OAQ's processor time or later unless its budget ended first. Other "
        f"work shared the machine ({'; '.join(machines)}), so that ratios are of processor seconds."
    ]
    parts += [text for record in found if (text := _extrapolated(record))]
    return "\n\n".join(parts)


def _latest(records: Iterable[Record]) -> Sequence[Record]:
    """Of equal cells the last one; an ended training is one cell, however far it came."""
    kept: dict[tuple[str, ...], Record] = {}
    for record in records:
        if record.kind == "qat":
            cell = (record.network, str(record.weight_bits), record.method, _settings(record), str(record.seed))
            kept[cell] = record
    return list(kept.values())


def _row(record: Record, origin: float | None) -> tuple[str, ...]:
    bits = "-" if record.weight_bits is None else f"w{record.weight_bits}a{record.act_bits}"
    steps, seed = ("-" if value is None else str(value) for value in (record.steps, record.seed))
    psnr = "-" if record.psnr_y is None else f"{record.psnr_y:.2f}"
    loss = "-" if None in (record.psnr_y, origin) else f"{cast(float, origin) - cast(float, record.psnr_y):.2f}"
    what = (record.method, record.network, bits, record.coverage or "-", steps, seed, _settings(record) or "-")
    return (*what, psnr, loss if bits != "-" else "-", *_times(record))


def _times(record: Record) -> tuple[str, str, str]:
    if record.seconds is None:
        return "-", "-", "-"
    processor, ratio = record.extra.get("processor_seconds"), record.extra.get("times_oaq")
    shown = "-" if processor is None else f"{processor:.1f}"
    return f"{record.seconds:.1f}", shown, "-" if ratio is None else f"{ratio:.3g}"


def _settings(record: Record) -> str:
    return ", ".join(f"{key}={value}" for key, value in record.settings.items())


def _extrapolated(record: Record) -> str:
    found = cast(dict[str, Any] | None, record.extra.get("extrapolated"))
    if found is None:
        return ""
    each, start = record.extra["seconds_per_step"], record.settings["start"]
    return (
        f"Extrapolated, not measured: from {start}, the {found['updates']:,} updates of PAMS's released code at the "
        f"measured {each:.3g} processor seconds of one (mean of {record.steps}) would take "
        f"{found['processor_seconds']:,.0f} s, {found['times_oaq']:.0f} times what OAQ took."
    )
