"""``intaglio upscale``: enlarge pictures, folders of pictures and films."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from intaglio.cli.output import JsonOption, OnOption


class BackendName(StrEnum):
    """What runs a packed model."""

    AUTO = "auto"
    NATIVE = "native"
    REFERENCE = "reference"


class AlphaName(StrEnum):
    """What happens to transparency."""

    NETWORK = "network"
    BICUBIC = "bicubic"
    DISCARD = "discard"


class ExistingName(StrEnum):
    """What happens where a result is there already."""

    SKIP = "skip"
    OVERWRITE = "overwrite"
    FAIL = "fail"


class DepthName(StrEnum):
    """Bits of a sample of the result."""

    EIGHT = "8"
    TEN = "10"
    TWELVE = "12"
    SIXTEEN = "16"


def upscale(
    model: Annotated[str, typer.Argument(help="Packed model (no torch needed), float checkpoint, or 'bicubic'.")],
    pictures: Annotated[
        list[str],
        typer.Argument(help="Pictures, folders (with all below), patterns ('scans/*.tif'), or a film."),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Picture or folder to write; default <stem>_x2 beside the input."),
    ] = None,
    scale: Annotated[
        float | None, typer.Option(help="Any factor; default the model's (bicubic: 2).", show_default=False)
    ] = None,
    size: Annotated[
        str | None, typer.Option(metavar="WxH", help="1920x (the width), x1080 (the height), 1920x1080 (to fit into).")
    ] = None,
    max_side: Annotated[int | None, typer.Option(metavar="PIXELS", help="Longest side of a result.")] = None,
    alpha: Annotated[AlphaName, typer.Option(help="How transparency is enlarged.")] = AlphaName.NETWORK,
    format: Annotated[
        str | None,
        typer.Option("--format", help="Format of the results (png, jpg, tif, …); default the input's."),
    ] = None,
    quality: Annotated[int | None, typer.Option(help="1-100, for JPEG, WebP, AVIF, JXL.", show_default=False)] = None,
    depth: Annotated[DepthName | None, typer.Option(help="Bits per sample; default the input's.")] = None,
    frames: Annotated[
        str | None, typer.Option(metavar="FIRST:END", help="Of a film: frames from FIRST up to END, counted from 0.")
    ] = None,
    existing: Annotated[ExistingName, typer.Option(help="Where a result exists already.")] = ExistingName.SKIP,
    workers: Annotated[int, typer.Option(min=0, help="Threads that read and write while the network computes.")] = 2,
    max_pixels: Annotated[
        float | None,
        typer.Option(metavar="MEGAPIXELS", help="Largest picture that is read; default 67.", show_default=False),
    ] = None,
    backend: Annotated[
        BackendName, typer.Option(help="Native C++ core or numpy reference (slow, the specification).")
    ] = BackendName.AUTO,
    threads: Annotated[int | None, typer.Option(help="Threads of the native core; default all processors.")] = None,
    memory: Annotated[
        int | None,
        typer.Option(metavar="MIB", help="Bound on feature maps in MiB; larger pictures are cut into tiles."),
    ] = None,
    on: OnOption = None,
    json: JsonOption = None,
) -> None:
    """Enlarge pictures, folders and films; mode, depth and metadata are kept, a file that cannot be read is skipped.

    Example: intaglio upscale swinir.w4a4-engrave.intaglio photo.png -o large.png
    """
    from intaglio.cli.upscaling import Words, run_upscale

    words = Words(
        tuple(pictures), output, scale, size, max_side, alpha.value, format, quality,
        None if depth is None else int(depth.value), existing.value, workers,
        None if max_pixels is None else int(max_pixels * 1e6), frames,
    )  # fmt: skip
    limit = None if memory is None else memory << 20
    run_upscale(model, words, backend=backend.value, threads=threads, memory=limit, json=json, on=on or "")
