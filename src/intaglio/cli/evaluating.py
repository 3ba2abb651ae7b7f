"""What ``intaglio eval`` does with an opened model: a table, records, JSON."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from intaglio.cli.guarding import guard, say_verdict, verdict_figures
from intaglio.cli.models import Opened
from intaglio.cli.output import duration_text, require_place, say, show_table, write_json
from intaglio.cli.progress import shown_progress
from intaglio.evaluate import (
    Calibration,
    Evaluation,
    Record,
    append_records,
    evaluate,
    learning_steps,
    load_dataset,
    protocol_text,
    self_ensemble,
)
from intaglio.evaluate.artifacts import overall
from intaglio.provenance import file_sha256


def run_evaluation(
    opened: Opened,
    data: Path,
    sets: tuple[str, ...],
    *,
    ensemble: bool,
    records: Path | None,
    json: Path | None,
    reference: Opened | None = None,
) -> None:
    """Evaluate on every set, print a table with the protocol, write what was asked for.

    With `reference`, the float network, the artifact guard compares the two on every picture of every set.
    """
    require_place(json, records)
    scale = opened.upscaler.scale
    upscaler = self_ensemble(opened.upscaler) if ensemble else opened.upscaler
    datasets = [load_dataset(data, name, scale) for name in sets]
    with shown_progress() as progress:
        evaluations = [evaluate(upscaler, dataset, progress=progress) for dataset in datasets]
        verdicts = [guard(opened, reference, dataset, progress) for dataset in datasets] if reference else []
    title = f"{opened.label} {opened.network} x{scale}{' + self-ensemble' if ensemble else ''}, run by {opened.runs_on}"
    show_table(("set", "pictures", "PSNR-Y dB", "SSIM-Y", "time"), [_row(one) for one in evaluations], title)
    say(f"protocol: {protocol_text(scale)}")
    if verdicts:
        say_verdict(overall(verdicts))
    if records is not None:
        append_records(records, [record_of(opened, one, ensemble=ensemble) for one in evaluations])
    about = {"model": opened.label, "network": opened.network, "scale": scale, "ensemble": ensemble}
    about |= {"runs_on": opened.runs_on, "protocol": protocol_text(scale)}
    about |= {"artifacts": verdict_figures(overall(verdicts))} if verdicts else {}
    write_json(json, about | {"sets": [_figures(one) for one in evaluations]})


def record_of(opened: Opened, evaluation: Evaluation, *, ensemble: bool) -> Record:
    """The record of one evaluation; what made a packed model is taken from its header."""
    made: dict[str, Any] = {"method": opened.label, "settings": {}}
    if opened.path is not None and opened.packed is None:
        made["weights_sha256"] = file_sha256(opened.path)
    if opened.packed is not None and opened.path is not None:
        made = _made(opened) | {"bytes": opened.path.stat().st_size}
    if ensemble:
        made["settings"] = {**made["settings"], "self_ensemble": True}
    return Record(
        kind="accuracy",
        network=opened.network,
        scale=evaluation.scale,
        dataset=evaluation.dataset,
        psnr_y=_finite(evaluation.psnr_y),
        ssim_y=evaluation.ssim_y,
        per_image={score.name: (_finite(score.psnr_y), score.ssim_y) for score in evaluation.scores},
        seconds=evaluation.seconds,
        extra={"engine": opened.runs_on},
        **made,
    )


def _made(opened: Opened) -> dict[str, Any]:
    assert opened.packed is not None
    header = opened.packed.header
    recipe, calibration = header.recipe, header.calibration
    settings = recipe.get("settings", {})
    return {
        "method": recipe.get("method", "unknown"),
        "weights_sha256": header.provenance.source_sha256 or None,
        **{key: recipe.get(key) for key in ("weight_bits", "act_bits", "coverage", "granularity", "seed")},
        "calibration": calibration and Calibration(calibration.name, calibration.content_hash, calibration.count),
        "steps": learning_steps(settings),
        "settings": {key: settings[key] for key in recipe.get("changed", ()) if key in settings},
    }


def _finite(psnr: float) -> float:
    """Equal pictures have an infinite PSNR, which JSON cannot hold; 999 dB stands for it."""
    return psnr if math.isfinite(psnr) else 999.0


def _row(evaluation: Evaluation) -> tuple[str, ...]:
    return (
        evaluation.dataset,
        str(len(evaluation.scores)),
        f"{evaluation.psnr_y:.2f}",
        f"{evaluation.ssim_y:.4f}",
        duration_text(evaluation.seconds),
    )


def _figures(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "set": evaluation.dataset,
        "psnr_y": _finite(evaluation.psnr_y),
        "ssim_y": evaluation.ssim_y,
        "seconds": round(evaluation.seconds, 4),
        "pictures": {
            score.name: {"psnr_y": _finite(score.psnr_y), "ssim_y": score.ssim_y, "seconds": round(score.seconds, 4)}
            for score in evaluation.scores
        },
    }
