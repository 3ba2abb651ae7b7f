"""``intaglio eval``: PSNR-Y and SSIM-Y of a model on test sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from intaglio.cli.checkpoints import TrainingOption, WeightsOption
from intaglio.cli.network import DeviceOption, NetworkOption
from intaglio.cli.output import JsonOption
from intaglio.cli.upscale import BackendName


def evaluate_model(
    model: Annotated[str, typer.Argument(help="Packed model, float checkpoint, or 'bicubic'.")],
    data: Annotated[Path, typer.Option(help="Folder that holds the test sets: Set5/HR/*.png and so on.")],
    sets: Annotated[list[str] | None, typer.Option("--set", help="A test set; repeatable. Default: Set5.")] = None,
    scale: Annotated[
        int | None, typer.Option(help="For bicubic: the factor; default 2. A model has its own.", show_default=False)
    ] = None,
    ensemble: Annotated[bool, typer.Option("--ensemble", help="Average over eight flips and turns (x8 cost).")] = False,
    backend: Annotated[BackendName, typer.Option(help="What runs a packed model.")] = BackendName.AUTO,
    threads: Annotated[int | None, typer.Option(help="Threads of the native core; default all processors.")] = None,
    records: Annotated[Path | None, typer.Option(metavar="FILE.jsonl", help="Append a record for each set.")] = None,
    against: Annotated[
        Path | None, typer.Option(metavar="FLOAT", help="Float checkpoint: adds the verdict of the artifact guard.")
    ] = None,
    network: NetworkOption = None,
    weights: WeightsOption = None,
    option: TrainingOption = None,
    device: DeviceOption = "cpu",
    json: JsonOption = None,
) -> None:
    """Measure PSNR-Y and SSIM-Y by the standard protocol, which is printed with the results.

    Example: intaglio eval swinir.w4a4-engrave.intaglio --data testsets --set Set5 --set Set14
    """
    from intaglio.app.opening import open_model
    from intaglio.cli.evaluating import run_evaluation

    own = network or ""
    opened = open_model(
        model,
        scale=scale,
        backend=backend.value,
        threads=threads,
        network="" if against else own,
        weights=weights,
        option=option,
        device=device,
    )
    reference = open_model(str(against), scale=opened.upscaler.scale, network=own, device=device) if against else None
    chosen = tuple(sets or ("Set5",))
    run_evaluation(opened, data, chosen, ensemble=ensemble, records=records, json=json, reference=reference)
