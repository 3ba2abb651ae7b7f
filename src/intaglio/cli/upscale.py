"""``intaglio upscale``: enlarge a picture or a folder of pictures."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from intaglio.cli.output import JsonOption


class BackendName(StrEnum):
    """What runs a packed model."""

    AUTO = "auto"
    NATIVE = "native"
    REFERENCE = "reference"


def upscale(
    model: Annotated[str, typer.Argument(help="Packed model (no torch needed), float checkpoint, or 'bicubic'.")],
    picture: Annotated[Path, typer.Argument(help="A picture, or a folder of pictures.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Picture or folder to write; default <stem>_x2.png beside the input."),
    ] = None,
    scale: Annotated[int | None, typer.Option(help="For bicubic: the factor; default 2.", show_default=False)] = None,
    backend: Annotated[
        BackendName, typer.Option(help="Native C++ core or numpy reference (slow, the specification).")
    ] = BackendName.AUTO,
    threads: Annotated[int | None, typer.Option(help="Threads of the native core; default all processors.")] = None,
    memory: Annotated[
        int | None,
        typer.Option(metavar="MIB", help="Bound on feature maps in MiB; larger pictures are cut into tiles."),
    ] = None,
    json: JsonOption = None,
) -> None:
    """Enlarge a picture, or every picture of a folder.

    Example: intaglio upscale swinir.w4a4-2dquant.intaglio photo.png -o large.png
    """
    from intaglio.app.opening import open_model
    from intaglio.cli.upscaling import run_upscale

    limit = None if memory is None else memory << 20
    opened = open_model(model, scale=scale, backend=backend.value, threads=threads, memory=limit)
    run_upscale(opened, picture, output, json)
