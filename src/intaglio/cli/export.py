"""``intaglio export``: a packed model as an ONNX file that runs in integers in other runtimes."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from intaglio.cli.output import JsonOption, require_place


class TargetName(StrEnum):
    """The runtimes that files are written for."""

    ONNX = "onnx"
    OPENVINO = "openvino"


class ProfileName(StrEnum):
    """How weights are stored."""

    FAST = "fast"
    SMALL = "small"


def export(
    model: Annotated[Path, typer.Argument(help="A packed model.", metavar="MODEL")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Default: <stem>.onnx.")] = None,
    to: Annotated[
        TargetName, typer.Option("--to", help="onnx: for ONNX Runtime; openvino: an ONNX file for OpenVINO.")
    ] = TargetName.ONNX,
    profile: Annotated[
        ProfileName, typer.Option(help="fast: a byte for each weight; small: two weights of up to 4 bits in a byte.")
    ] = ProfileName.FAST,
    strict: Annotated[bool, typer.Option("--strict", help="Fail if a quantized product runs in float.")] = False,
    runtime: Annotated[
        list[str] | None, typer.Option(help="Verify in this runtime (onnxruntime, openvino); repeatable.")
    ] = None,
    json: JsonOption = None,
) -> None:
    """Write a packed model as an ONNX file, run it on a picture, and say which products ran in integers.

    Example: intaglio export swinir.w4a4-engrave.intaglio --to onnx -o swinir.onnx --strict
    """
    from intaglio.cli.exporting import run_export

    target = output or Path(f"{model.stem}.onnx")
    require_place(target, json)
    run_export(model, target, to=to.value, profile=profile.value, strict=strict, runtimes=runtime, json=json)
