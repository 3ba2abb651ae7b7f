"""``intaglio sweep``: a grid of methods, widths, networks, calibrations and seeds, measured cell by cell."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from intaglio.cli.network import DeviceOption
from intaglio.cli.output import JsonOption, OnOption

CheckpointsOption = Annotated[Path, typer.Option(help="Folder of float checkpoints.")]
CalibrationOption = Annotated[Path, typer.Option(help="Folder that holds the folders of calibration pictures.")]
DataOption = Annotated[Path, typer.Option(help="Folder that holds the test sets: Set5/HR/*.png and so on.")]
WorkersOption = Annotated[
    int | None, typer.Option(help="Cells that run at once; default: one per core.", show_default=False, min=1)
]
ThreadsOption = Annotated[
    int | None, typer.Option(help="Threads of each cell; default the cores divided by the workers.", min=1)
]
MemoryOption = Annotated[
    int | None,
    typer.Option(metavar="MIB", help="Bound on the memory of all cells; default 4/5 of what is free.", min=1),
]


class Scheduler(StrEnum):
    """What can be told to run a sweep."""

    SLURM = "slurm"


DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show the cells and their estimated time; run nothing.")]


def sweep(
    specification: Annotated[Path, typer.Argument(metavar="SPEC.toml", help="The grid; see recipes/sweeps.")],
    records: Annotated[
        Path, typer.Option(metavar="FILE.jsonl", help="Records are appended here; finished cells are skipped.")
    ],
    checkpoints: CheckpointsOption = Path(),
    calibration: CalibrationOption = Path(),
    data: DataOption = Path(),
    workers: WorkersOption = None,
    threads: ThreadsOption = None,
    memory: MemoryOption = None,
    device: DeviceOption = "cpu",
    on: OnOption = None,
    part: Annotated[
        str | None, typer.Option(metavar="K/N", help="Only the K-th of N parts of the cells, from 0; for array jobs.")
    ] = None,
    emit: Annotated[
        Scheduler | None, typer.Option(help="Print a job that runs the cells on that scheduler; run nothing.")
    ] = None,
    dry_run: DryRunOption = False,
    json: JsonOption = None,
) -> None:
    """Run every cell of a grid once; a run that was killed continues where it stopped.

    Example: intaglio sweep recipes/sweeps/spine.toml --records results/spine.jsonl --checkpoints weights --data
    testsets
    """
    from intaglio.cli.output import require_place
    from intaglio.cli.sweeping import run_planned
    from intaglio.sweep import Folders, Store, default_limits, plan_sweep, read_sweep

    require_place(records, json)
    limits = default_limits(workers, threads, None if memory is None else memory << 20)
    plan = plan_sweep(read_sweep(specification), Folders(checkpoints, calibration, data))
    if emit is not None:
        from intaglio.cli.sweeping import emit_job

        folders = ("--checkpoints", checkpoints, "--calibration", calibration, "--data", data)
        words = ("sweep", specification, *folders, "--threads", limits.threads, "--workers", 1, "--device", device)
        emit_job(plan, Store(records), limits, [str(word) for word in words], device)
        return
    if part is not None:
        from intaglio.sweep.slurm import part_of

        plan = part_of(plan, part)
    run_planned(plan, Store(records), limits, device=device, on=on or "", dry_run=dry_run, json=json)
