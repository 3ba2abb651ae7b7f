"""What ``intaglio quantize`` does once its options are resolved. Imports torch; loaded by the command alone."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

from intaglio import ranks
from intaglio._atomic import write_text_atomic
from intaglio.app.calibrating import calibration_set
from intaglio.app.devices import device_of
from intaglio.app.expected import expected_seconds
from intaglio.app.networks import Network, NetworkSource, open_named
from intaglio.app.quantizing import Quantization, Recipe, effort_recipe, float32_bytes, left_float, quantize, save
from intaglio.cli.output import announce, duration_text, require_place, say, size_text, write_json
from intaglio.cli.progress import shown_progress
from intaglio.cli.recipe import RecipeFile
from intaglio.errors import SpecError
from intaglio.evaluate.metrics import finite_psnr
from intaglio.lower import FloatDtype
from intaglio.lower.check import CheckReport
from intaglio.progress import Silent
from intaglio.provenance import file_sha256
from intaglio.spec import QuantSpec


def run_quantize(
    source: NetworkSource,
    output: Path | None,
    asked: RecipeFile,
    *,
    state: Path | None,
    device: str,
    card: str | None,
    json: Path | None,
) -> None:
    """Quantize, check against the simulator, write, and say what came out.

    `card` is the licence that a model card states, perhaps empty; None where no card is asked for.
    Of several processes that torchrun started the first alone checks, writes and tells.
    """
    recipe = library_recipe(asked)
    target = output or Path(f"{source.stem}.{recipe.spec.label}-{recipe.method}.intaglio")
    require_place(target, json)
    with ranks.joined(device_of(device)) as place:
        network, names = open_named(source)
        calibration = calibration_set(asked.calibration.chosen())
        if ranks.is_first():
            expected = expected_seconds(network, network.in_channels, recipe.method, dict(recipe.settings), place)
            announce(f"{recipe.method}, effort {asked.effort}: about {duration_text(expected)} expected on one process")
        with shown_progress() if ranks.is_first() else nullcontext(Silent()) as progress:
            made = quantize(
                network, recipe, calibration, required=True, progress=progress, checkpoint=state, device=place
            )
        if not ranks.is_first():
            return
    size = save(made, target, source_sha256=file_sha256(source.checkpoint) if source.checkpoint else "")
    if state is not None:
        state.unlink(missing_ok=True)
    content = _content(network, made, size) | {
        "checkpoint": str(source.checkpoint or source.network),
        "weights": ".".join(name.rstrip(".") for name in names),
        "output": str(target),
    }
    if card is not None:
        content["card"] = str(_write_card(network, made, target, source.checkpoint, card))
    _tell(content)
    write_json(json, content)


def _write_card(network: Network, made: Quantization, packed: Path, checkpoint: Path | None, licence: str) -> Path:
    from intaglio.app.card import card_of, figures_of

    path = packed.with_suffix(".md")
    figures = figures_of(network, made.require_program())
    write_text_atomic(path, card_of(network, made, packed, checkpoint, licence, figures))
    return path


def library_recipe(asked: RecipeFile) -> Recipe:
    """The recipe as the library takes it. Raises: SpecError or MethodError before any work is done."""
    if asked.float_dtype not in tuple(FloatDtype):
        raise SpecError(f"float_dtype {asked.float_dtype!r} is unknown; choose {' or '.join(FloatDtype)}.")
    spec = QuantSpec(
        weight_bits=asked.weight_bits,
        act_bits=asked.act_bits,
        coverage=asked.coverage,
        weight_granularity=asked.granularity,
        share_input=asked.share_input,
    )
    return effort_recipe(asked.effort, spec, asked.method, asked.settings, asked.seed, FloatDtype(asked.float_dtype))


def _content(network: Network, made: Quantization, size: int) -> dict[str, Any]:
    full = float32_bytes(network)
    calibration, program = made.calibration, made.require_program()
    return {
        "architecture": network.architecture,
        "scale": network.scale,
        "recipe": made.recipe.resolved() | left_float(made.model),
        "calibration": {
            "name": calibration.name,
            "sha256": calibration.content_hash,
            "count": len(calibration.pictures),
        },
        "left_float": [asdict(one) for one in made.model.left_float],
        "sites": sum(1 for _ in program.sites()),
        "seconds": round(made.seconds, 3),
        "bytes": size,
        "float32_bytes": full,
        "ratio": round(full / size, 3),
        "metrics": dict(made.metrics),
        "check": _check_content(made.report) if made.report else None,
        "note": made.note,
    }


def _check_content(report: CheckReport) -> dict[str, Any]:
    return {
        "integer_products": report.products,
        "flip_share": report.flip_share,
        "worst_site": report.worst.name,
        "worst_flip_share": report.worst.share,
        "picture_psnr_y": finite_psnr(report.picture_psnr),
        "grey_levels": report.grey_levels,
    }


def _tell(content: Mapping[str, Any]) -> None:
    recipe, found = content["recipe"], content["check"]
    say(
        f"{content['architecture']} x{content['scale']} to w{recipe['weight_bits']}a{recipe['act_bits']} by "
        f"{recipe['method']}, coverage {recipe['coverage']}: {content['sites']} sites in "
        f"{duration_text(content['seconds'])}, calibrated on {content['calibration']['name']}"
    )
    if left := recipe.get("left_float"):
        say(f"left float: {', '.join(f'{count} layers ({reason})' for reason, count in left.items())}")
    if content["weights"]:
        say(f"weights: those under '{content['weights']}'")
    if "loss_last" in content["metrics"]:
        first, last, steps = (content["metrics"][name] for name in ("loss_first", "loss_last", "iterations"))
        say(f"distillation: {steps:.0f} iterations, loss {first:.5f} to {last:.5f}")
    say(
        f"integer program against the simulator: {found['integer_products']} integer products equal; "
        f"{found['flip_share']:.4%} of the codes flip by rounding, at most {found['worst_flip_share']:.3%} at one site"
    )
    if content["note"]:
        say(f"note: {content['note']}")
    ratio = f"{content['ratio']:.2f} times smaller than float32 ({size_text(content['float32_bytes'])})"
    say(f"{content['output']}: {size_text(content['bytes'])}, {ratio}")
    if "card" in content:
        say(f"{content['card']}: the model card")
    say(f"Next: intaglio upscale {content['output']} picture.png")
