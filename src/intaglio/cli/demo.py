"""``intaglio demo``: every step on embedded weights and drawn pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from intaglio.cli.output import JsonOption


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for what is written.")] = Path("demo-output"),
    iterations: Annotated[
        int | None, typer.Option(help="Distillation steps; the default keeps the demo within minutes.")
    ] = None,
    json: JsonOption = None,
) -> None:
    """Quantize the embedded SwinIR-light x2 to 4 bits, measure it, and show it beside float and bicubic.

    Needs no data and no network. Example: intaglio demo --output demo-output
    """
    from intaglio.cli.demonstrating import run_demo

    run_demo(output, iterations, json)
