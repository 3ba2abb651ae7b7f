"""``intaglio reproduce``: a paper's table, published results beside ours."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from intaglio.cli.output import JsonOption
from intaglio.cli.sweep import (
    CalibrationOption,
    CheckpointsOption,
    DataOption,
    DryRunOption,
    MemoryOption,
    ThreadsOption,
    WorkersOption,
)


def reproduce(
    table: Annotated[str, typer.Argument(help="2dquant-table3, 2dquant-table4, condiquant-table3 or oaq-table.")],
    records: Annotated[Path, typer.Option(metavar="FILE.jsonl", help="Records are appended here and read from here.")],
    checkpoints: CheckpointsOption = Path(),
    calibration: CalibrationOption = Path(),
    data: DataOption = Path(),
    bits: Annotated[list[int] | None, typer.Option(help="Only this width; repeatable.")] = None,
    scale: Annotated[list[int] | None, typer.Option(help="Only this scale; repeatable.")] = None,
    data_set: Annotated[list[str] | None, typer.Option(help="Only this test set; repeatable.")] = None,
    method: Annotated[list[str] | None, typer.Option(help="Only this method; repeatable.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting of the methods; repeatable.")
    ] = None,
    checkpoint: Annotated[
        list[str] | None, typer.Option(metavar="SCALE=FILE", help="Your own network for a scale; repeatable.")
    ] = None,
    network: Annotated[str | None, typer.Option(help="Name of your own network in records; default its stem.")] = None,
    calibration_set: Annotated[
        str | None, typer.Option(help="Folder of LR pictures below --calibration; default drawn pictures.")
    ] = None,
    hold_out: Annotated[int, typer.Option(help="Leave out the last N pictures of that folder.", min=0)] = 0,
    seed: Annotated[int, typer.Option(help="Seed of crops and of distillation.", min=0)] = 0,
    workers: WorkersOption = None,
    threads: ThreadsOption = None,
    memory: MemoryOption = None,
    dry_run: DryRunOption = False,
    json: JsonOption = None,
) -> None:
    """Run a paper's table, or a part of it, and show published results beside ours; finished cells are kept.

    Example: intaglio reproduce 2dquant-table3 --records t3.jsonl --checkpoints weights --data testsets --bits 2
    --scale 2
    """
    from intaglio.app.settings import parse_settings
    from intaglio.cli.output import require_place
    from intaglio.cli.reproducing import parse_checkpoints, run_reproduction
    from intaglio.published.paper import load_table
    from intaglio.sweep import Folders, Store, default_limits
    from intaglio.sweep.reproduce import Choice, plan_reproduction

    require_place(records, json)
    choice = Choice(
        scales=tuple(scale or ()),
        bits=tuple(bits or ()),
        datasets=tuple(data_set or ()),
        methods=tuple(method or ()),
        settings=parse_settings(settings or []),
        checkpoints=parse_checkpoints(checkpoint or []),
        network=network,
        calibration=calibration_set,
        hold_out=hold_out,
        seed=seed,
    )
    planned = plan_reproduction(load_table(table), choice, Folders(checkpoints, calibration, data))
    limits = default_limits(workers, threads, None if memory is None else memory << 20)
    run_reproduction(planned, Store(records), limits, dry_run=dry_run, json=json)
