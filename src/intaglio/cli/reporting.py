"""What ``intaglio report`` gathers for the page; the page itself is `intaglio.report`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from intaglio._atomic import write_text_atomic
from intaglio.cli.guarding import say_verdict, window_of
from intaglio.cli.models import Opened, open_model
from intaglio.cli.output import say, size_text
from intaglio.cli.progress import shown_progress
from intaglio.cli.report_content import content_of
from intaglio.errors import DatasetError, SpecError
from intaglio.evaluate import load_dataset, read_records
from intaglio.report import Content, Contestant, Reading, compare, render, rows_of_records
from intaglio.runtime.engine import Backend


@dataclass(frozen=True)
class Request:
    """What the command was asked for: files, test set, picture (None: the one that lost most), records."""

    model: Path
    checkpoint: Path | None
    data: Path | None
    test_set: str
    picture: str | None
    records: tuple[Path, ...]
    sites: bool


def report_model(request: Request, output: Path, *, backend: Backend, threads: int | None) -> None:
    """Measure a packed model, beside its float network where that is given, and write the page."""
    opened = open_model(str(request.model), backend=backend, threads=threads)
    if opened.packed is None:
        raise SpecError(f"{request.model} is no packed model; name one, and its float checkpoint with --checkpoint.")
    if request.data is None:
        raise DatasetError("a report needs test pictures; name the folder that holds the sets with --data.")
    float_model = open_model(str(request.checkpoint)) if request.checkpoint else None
    dataset = load_dataset(request.data, request.test_set, opened.upscaler.scale)
    with shown_progress() as progress:
        compared = compare(
            _contestant(opened),
            _contestant(float_model) if float_model else None,
            dataset,
            window=window_of(opened.packed),
            picture=request.picture,
            progress=progress,
        )
        readings: tuple[Reading, ...] = ()
        if request.checkpoint and request.sites:
            from intaglio.cli.site_readings import readings_of

            readings = readings_of(opened.packed, request.checkpoint, compared.views, progress)
    others = [record for path in request.records for record in read_records(path)]
    weights = opened.packed.header.provenance.source_sha256
    extra = rows_of_records(others, weights_sha256=weights, scale=dataset.scale, dataset=dataset.name)
    write_page(content_of(opened, float_model, compared, readings, extra), output)


def write_page(content: Content, output: Path) -> None:
    """Render and write the page, whole or not at all, and say where it is."""
    page = render(content)
    write_text_atomic(output, page)
    say(f"{output}: {size_text(len(page.encode()))}, one file; open it in a browser")
    if content.verdict is not None:
        say_verdict(content.verdict)


def _contestant(opened: Opened) -> Contestant:
    size = opened.path.stat().st_size if opened.path else None
    return Contestant(opened.label, opened.upscaler, size, opened.runs_on)
