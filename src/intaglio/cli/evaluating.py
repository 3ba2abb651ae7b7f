"""What ``intaglio eval`` shows of a measurement: a table with the protocol, the guard's verdict, JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from intaglio.app.evaluating import Measurement, measure
from intaglio.app.opening import Opened
from intaglio.cli.guarding import say_verdict, verdict_content
from intaglio.cli.output import duration_text, require_place, say, show_table, write_json
from intaglio.cli.progress import shown_progress
from intaglio.evaluate import Evaluation, append_records, protocol_text
from intaglio.evaluate.metrics import finite_psnr


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
    """Evaluate on every set, print a table with the protocol, write what was asked for."""
    require_place(json, records)
    with shown_progress() as progress:
        measured = measure(opened, data, sets, ensemble=ensemble, reference=reference, progress=progress)
    scale = opened.upscaler.scale
    title = f"{opened.label} {opened.network} x{scale}{' + self-ensemble' if ensemble else ''}, run by {opened.runs_on}"
    rows = [_row(one) for one in measured.evaluations]
    show_table(("set", "pictures", "PSNR-Y dB", "SSIM-Y", "time"), rows, title)
    say(f"protocol: {protocol_text(scale)}")
    if measured.verdict is not None:
        say_verdict(measured.verdict)
    if records is not None:
        append_records(records, measured.records())
    write_json(json, _content(measured))


def _row(evaluation: Evaluation) -> tuple[str, ...]:
    return (
        evaluation.dataset,
        str(len(evaluation.scores)),
        f"{evaluation.psnr_y:.2f}",
        f"{evaluation.ssim_y:.4f}",
        duration_text(evaluation.seconds),
    )


def _content(measured: Measurement) -> dict[str, Any]:
    opened = measured.opened
    scale = opened.upscaler.scale
    about = {"model": opened.label, "network": opened.network, "scale": scale, "ensemble": measured.ensemble}
    about |= {"runs_on": opened.runs_on, "protocol": protocol_text(scale)}
    about |= {"artifacts": verdict_content(measured.verdict)} if measured.verdict is not None else {}
    return about | {"sets": [_set_content(one) for one in measured.evaluations]}


def _set_content(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "set": evaluation.dataset,
        "psnr_y": finite_psnr(evaluation.psnr_y),
        "ssim_y": evaluation.ssim_y,
        "seconds": round(evaluation.seconds, 4),
        "pictures": {
            score.name: {
                "psnr_y": finite_psnr(score.psnr_y), "ssim_y": score.ssim_y, "seconds": round(score.seconds, 4)
            }
            for score in evaluation.scores
        },
    }  # fmt: skip
