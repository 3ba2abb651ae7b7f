"""What ``intaglio report`` does with records alone: a results file, or every one in a run's folder."""

from __future__ import annotations

from pathlib import Path

from intaglio.cli.reporting import write_page
from intaglio.errors import RecordError
from intaglio.evaluate import protocol_text, read_records
from intaglio.report import Content, Facts, rows_of_records


def report_records(source: Path, output: Path) -> None:
    """Write a page with the table and the plots of records.

    Raises: RecordError where there is none, or a line is damaged.
    """
    files = sorted(source.glob("*.jsonl")) if source.is_dir() else [source]
    records = [record for path in files for record in read_records(path) if record.kind == "accuracy"]
    if not records:
        raise RecordError(f"{source} holds no accuracy record; run a sweep or `intaglio eval --records` first.")
    last = records[-1]
    cells = sorted({f"{record.network} x{record.scale} on {record.dataset}" for record in records})
    seeds = sorted({str(record.seed) for record in records if record.seed is not None})
    facts = (
        Facts("Protocol", (("metric", protocol_text(last.scale)), ("identifier", last.protocol or "–"))),
        Facts("Machine of the last record", (("processor", last.machine.cpu), ("cores", str(last.machine.cores)))),
        Facts("Versions of the last record", tuple(last.versions.items())),
        Facts("Records", (("count", str(len(records))), ("seeds", ", ".join(seeds) or "none"))),
    )
    name = source.resolve().name
    write_page(Content(f"Records of {name}", "; ".join(cells), rows_of_records(records), facts), output)
