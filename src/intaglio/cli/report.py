"""``intaglio report``: one self-contained HTML page about a model or about records."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from intaglio.cli.checkpoints import TrainingOption, WeightsOption
from intaglio.cli.network import NetworkOption, source_of
from intaglio.cli.upscale import BackendName
from intaglio.errors import SpecError


def report(
    model: Annotated[Path, typer.Argument(help="Packed model; or a .jsonl file or run folder, for its records alone.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The HTML page to write.")] = Path("report.html"),
    checkpoint: Annotated[
        Path | None, typer.Option(help="The float checkpoint: adds artifacts, sites and distributions (needs torch).")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder that holds the test sets: Set5/HR/*.png and so on.")] = None,
    test_set: Annotated[str, typer.Option("--set", help="The test set.")] = "Set5",
    picture: Annotated[
        str | None, typer.Option(help="The picture to show, by name; default the one that lost most.")
    ] = None,
    records: Annotated[
        list[Path] | None, typer.Option(metavar="FILE.jsonl", help="Records to show beside it; repeatable.")
    ] = None,
    sites: Annotated[bool, typer.Option(help="Measure each site alone (about a minute for SwinIR-light).")] = True,
    backend: Annotated[BackendName, typer.Option(help="What runs the packed model.")] = BackendName.AUTO,
    threads: Annotated[int | None, typer.Option(help="Threads of the native core; default all processors.")] = None,
    network: NetworkOption = None,
    weights: WeightsOption = None,
    option: TrainingOption = None,
) -> None:
    """Write one self-contained HTML page: metrics, plots, sites, a slider, artifacts, provenance.

    Example: intaglio report swinir.w4a4-engrave.intaglio --checkpoint swinir.pth --data testsets -o report.html
    """
    from intaglio.cli.output import require_place

    require_place(output)
    if model.is_dir() or model.suffix == ".jsonl":
        from intaglio.cli.report_records import report_records

        report_records(model, output)
        return
    from intaglio.app.reporting import ReportRequest, report_content
    from intaglio.cli.progress import shown_progress
    from intaglio.cli.reporting import write_page

    if network and not checkpoint:
        raise SpecError("--network is the network that --checkpoint is loaded into; name both.")
    source = source_of(checkpoint, network, weights=weights, option=option) if checkpoint else None
    request = ReportRequest(model, source, data, test_set, picture, tuple(records or ()), sites)
    with shown_progress() as progress:
        content = report_content(request, backend=backend.value, threads=threads, progress=progress)
    write_page(content, output)
