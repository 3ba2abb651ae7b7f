"""``intaglio analyze``: the analyses that the papers rest on, as figures and pictures."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from intaglio.cli.checkpoints import TrainingOption, WeightsOption
from intaglio.cli.network import DeviceOption, LeftFloatOption, NetworkOption, source_of
from intaglio.cli.output import JsonOption
from intaglio.spec import Coverage


class Analysis(StrEnum):
    """What can be analysed."""

    DISTRIBUTIONS = "distributions"
    PERCENTILES = "percentiles"
    COST = "cost"
    COLOUR = "colour"
    SENSITIVITY = "sensitivity"
    CONDITIONS = "conditions"


class Format(StrEnum):
    """How pictures are written."""

    PNG = "png"
    SVG = "svg"


def analyze(
    analysis: Annotated[Analysis, typer.Argument(help="Which one.")],
    checkpoint: Annotated[Path, typer.Argument(help="Float network: .pth or .safetensors.")],
    network: NetworkOption = None,
    left_float: LeftFloatOption = None,
    method: Annotated[
        list[str] | None,
        typer.Option(help="Method whose bounds are analysed; repeatable for percentiles. Default dobi."),
    ] = None,
    bits: Annotated[int, typer.Option(help="Width of weights and activations, 2 to 8.")] = 4,
    coverage: Annotated[Coverage, typer.Option(help="Which operations are quantized.")] = Coverage.PAPER,
    calibration: Annotated[str, typer.Option(help="Folder of pictures, or 'synthetic'.")] = "synthetic",
    hold_out: Annotated[int, typer.Option(help="Leave out the last N pictures of the folder.", min=0)] = 0,
    patches: Annotated[int, typer.Option(help="Number of crops.", min=1)] = 4,
    size: Annotated[int, typer.Option(help="Side of a crop in LR pixels; for cost, of the picture.", min=1)] = 64,
    probes: Annotated[int, typer.Option(help="Draws of the gradient estimate; 0 for none (sensitivity).", min=0)] = 4,
    outliers: Annotated[float, typer.Option(help="Percent of values that count as outliers (colour).")] = 1.0,
    seed: Annotated[int, typer.Option(help="Seed of crops, methods and draws.", min=0)] = 0,
    site: Annotated[
        str, typer.Option(metavar="PATTERN", help="Only sites such as '*.blocks.0.*' (distributions, sensitivity).")
    ] = "*",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="A setting of the methods, METHOD.KEY=VALUE of one; repeatable."
        ),
    ] = None,
    pictures: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Draw figures into this folder.")] = None,
    format: Annotated[Format, typer.Option(help="Format of the figures.")] = Format.PNG,
    weights: WeightsOption = None,
    option: TrainingOption = None,
    device: DeviceOption = "cpu",
    json: JsonOption = None,
) -> None:
    """Show what sites hold, where their bounds lie, and what each one costs.

    Example: intaglio analyze sensitivity swinir.pth --calibration photos --bits 2 --pictures . --json sensitivity.json
    """
    from intaglio.app.calibrating import CalibrationSource
    from intaglio.app.settings import parse_settings
    from intaglio.cli.analyzing import Asked, run_analysis
    from intaglio.spec import QuantSpec

    asked = Asked(
        source=source_of(checkpoint, network, left_float, weights, option),
        spec=QuantSpec(bits, bits, coverage),
        methods=tuple(method or ()),
        settings=parse_settings(settings or []),
        calibration=CalibrationSource(source=calibration, hold_out=hold_out, seed=seed),
        patches=patches,
        size=size,
        probes=probes,
        outliers=outliers,
        seed=seed,
        site=site,
        device=device,
    )
    run_analysis(analysis.value, asked, pictures=pictures, ending=format.value, json=json)
