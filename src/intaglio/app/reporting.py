"""What the report of one packed model holds: measured here, drawn by `intaglio.report`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from intaglio.app.evaluating import window_of
from intaglio.app.opening import Opened, open_model
from intaglio.app.report_content import content_of
from intaglio.errors import DatasetError, SpecError
from intaglio.evaluate import load_dataset, read_records
from intaglio.progress import Progress, Silent
from intaglio.report import Content, Contestant, compare, rows_of_records
from intaglio.runtime.engine import Backend
from intaglio.spec import SiteReading

if TYPE_CHECKING:
    from intaglio.app.networks import NetworkSource


@dataclass(frozen=True)
class ReportRequest:
    """What a report is asked to show.

    Attributes:
        model: the packed model.
        source: its float network, with a checkpoint: adds artifacts, sites and distributions.
        data: the folder that holds the test sets.
        test_set: the set that is measured.
        picture: the picture that is shown; None for the one that lost most.
        records: files of Records that are shown beside it.
        sites: whether each site is measured alone, which takes about a minute for SwinIR-light.
    """

    model: Path
    source: NetworkSource | None = None
    data: Path | None = None
    test_set: str = "Set5"
    picture: str | None = None
    records: tuple[Path, ...] = ()
    sites: bool = True


def report_content(
    request: ReportRequest,
    *,
    backend: Backend = "auto",
    threads: int | None = None,
    progress: Progress | None = None,
) -> Content:
    """Measure a packed model, beside its float network where that is given; `intaglio.report.render` makes the page.

    Raises: SpecError for a model that is not packed; DatasetError where test pictures are missing.
    """
    opened = open_model(str(request.model), backend=backend, threads=threads)
    if opened.packed is None:
        raise SpecError(f"{request.model} is no packed model; name one, and its float checkpoint with --checkpoint.")
    if request.data is None:
        raise DatasetError("a report needs test pictures; name the folder that holds the sets with --data.")
    source = request.source
    float_model = None
    if source is not None:
        float_model = open_model(
            str(source.checkpoint), network=source.network, weights=source.weights, option=source.option
        )
    dataset = load_dataset(request.data, request.test_set, opened.upscaler.scale)
    progress = progress or Silent()
    compared = compare(
        _contestant(opened),
        _contestant(float_model) if float_model else None,
        dataset,
        window=window_of(opened.packed),
        picture=request.picture,
        progress=progress,
    )
    readings: tuple[SiteReading, ...] = ()
    if source is not None and request.sites:
        from intaglio.app.site_readings import readings_of

        readings = readings_of(opened.packed, source, compared.views, progress)
    others = [record for path in request.records for record in read_records(path)]
    weights = opened.packed.header.provenance.source_sha256
    extra = rows_of_records(others, weights_sha256=weights, scale=dataset.scale, dataset=dataset.name)
    return content_of(opened, float_model, compared, readings, extra)


def _contestant(opened: Opened) -> Contestant:
    size = opened.path.stat().st_size if opened.path else None
    return Contestant(opened.label, opened.upscaler, size, opened.runs_on)
