"""``intaglio quantize``: from a float checkpoint to a packed integer model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from intaglio.cli.checkpoints import TrainingOption, WeightsOption
from intaglio.cli.network import DeviceOption, LeftFloatOption, NetworkOption, source_of
from intaglio.cli.output import JsonOption, require_folder
from intaglio.spec import Coverage, Granularity

_CHECKPOINT = "distillation.pt"


def quantize(
    checkpoint: Annotated[
        Path | None, typer.Argument(help="Float network: .pth or .safetensors; needs no configuration.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Packed model; default <stem>.w4a4-engrave.intaglio.")
    ] = None,
    method: Annotated[
        str | None, typer.Option(help="One of `intaglio methods`; default by --effort.", show_default=False)
    ] = None,
    effort: Annotated[
        str | None,
        typer.Option(
            help="quick: dobi on few crops; standard (default): engrave, 300 steps; long: 3000; paper: 2dquant as"
            " printed, a day on two cores. With --method, that method's settings likewise.",
            show_default=False,
        ),
    ] = None,
    bits: Annotated[
        int | None, typer.Option(help="Width of weights and activations, 2 to 8; default 4.", show_default=False)
    ] = None,
    weight_bits: Annotated[int | None, typer.Option(help="Width of weights alone.", show_default=False)] = None,
    act_bits: Annotated[int | None, typer.Option(help="Width of activations alone.", show_default=False)] = None,
    coverage: Annotated[
        Coverage | None,
        typer.Option(help="paper: linears and attention products (default); full: convolutions too."),
    ] = None,
    granularity: Annotated[Granularity | None, typer.Option(help="Bounds of weights; default per-tensor.")] = None,
    share_input: Annotated[
        bool | None, typer.Option("--share-input", help="One input quantizer for q, k and v instead of three.")
    ] = None,
    calibration: Annotated[
        str | None,
        typer.Option(help="Folder of LR pictures, or 'synthetic' (default): drawn pictures, no data needed."),
    ] = None,
    hold_out: Annotated[int | None, typer.Option(help="Leave out the last N pictures of the folder.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of crops and of distillation; default 0.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting of the method; repeatable.")
    ] = None,
    recipe: Annotated[Path | None, typer.Option(help="TOML file with these options; the command line wins.")] = None,
    checkpoint_dir: Annotated[
        Path | None, typer.Option(help="Keep the state of a distillation here, so that it can be resumed.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue from the state in --checkpoint-dir.")] = False,
    network: NetworkOption = None,
    left_float: LeftFloatOption = None,
    weights: WeightsOption = None,
    option: TrainingOption = None,
    device: DeviceOption = "cpu",
    card: Annotated[bool, typer.Option("--card", help="Also write a model card, Markdown beside the file.")] = False,
    licence: Annotated[str, typer.Option(help="Licence of the weights, as the card states it.")] = "",
    json: JsonOption = None,
) -> None:
    """Quantize a super-resolution network to 2-8 bits and write it as a packed integer model.

    Example: intaglio quantize 002_lightweightSR_DIV2K_s64w8_SwinIR-S_x2.pth --bits 4 --effort standard
    """
    from intaglio.app.settings import parse_settings
    from intaglio.cli.quantizing import run_quantize
    from intaglio.cli.recipe import read_recipe

    asked = read_recipe(
        recipe,
        {
            "method": method,
            "effort": effort,
            "weight_bits": bits if weight_bits is None else weight_bits,
            "act_bits": bits if act_bits is None else act_bits,
            "coverage": coverage,
            "granularity": granularity,
            "share_input": share_input,
            "seed": seed,
            "settings": parse_settings(settings or []),
            "calibration": {"source": calibration, "hold_out": hold_out},
        },
    )
    source = source_of(checkpoint, network, left_float, weights, option)
    stated = licence if card or licence else None
    run_quantize(source, output, asked, state=_state(checkpoint_dir, resume), device=device, card=stated, json=json)


def _state(folder: Path | None, resume: bool) -> Path | None:
    """Where the state of the distillation is kept; an old one is refused unless it is to be resumed."""
    from intaglio.errors import ResumeError

    if folder is None:
        if resume:
            raise ResumeError("--resume needs --checkpoint-dir, the folder that the interrupted run kept its state in.")
        return None
    state = folder / _CHECKPOINT
    if state.exists() and not resume:
        raise ResumeError(f"{state} is the state of an earlier run; pass --resume to go on from it, or delete it.")
    require_folder(folder)
    return state
