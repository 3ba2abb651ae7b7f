"""``intaglio bench``: how fast a packed model is, where its time goes, and how it stands beside other runtimes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from intaglio.cli.checkpoints import TrainingOption, WeightsOption
from intaglio.cli.network import NetworkOption, source_of
from intaglio.cli.output import JsonOption, require_place


def bench(
    model: Annotated[Path, typer.Argument(help="A packed model.", metavar="MODEL")],
    size: Annotated[str, typer.Option(metavar="HxW", help="Size of the LR picture.")] = "128x128",
    threads: Annotated[int | None, typer.Option(min=1, help="Default: every core this process may use.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Timed runs of each contender, taking turns.")] = 15,
    peers: Annotated[
        bool, typer.Option("--peers", help="Also time every installed peer on the float network, A B A B.")
    ] = False,
    checkpoint: Annotated[
        Path | None, typer.Option(help="The float network that peers run; needed with --peers.")
    ] = None,
    network: NetworkOption = None,
    weights: WeightsOption = None,
    option: TrainingOption = None,
    records: Annotated[Path | None, typer.Option(metavar="FILE.jsonl", help="Append Records here.")] = None,
    json: JsonOption = None,
) -> None:
    """Measure latency, pixels per second, peak memory, bytes and the time of each kind of operation.

    Example: intaglio bench swinir.w4a4-engrave.intaglio --size 128x128 --peers --checkpoint swinir.pth
    """
    from intaglio.cli.benching import run_bench

    require_place(json, records)
    source = source_of(checkpoint, network, weights=weights, option=option) if checkpoint or network else None
    run_bench(model, size, threads, rounds, source, peers=peers, records=records, json=json)
