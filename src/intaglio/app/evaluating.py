"""Measuring an opened model on test sets, with the artifact guard where its float network is given, as Records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intaglio.app.opening import Opened
from intaglio.evaluate import (
    Calibration,
    Dataset,
    Evaluation,
    Record,
    evaluate,
    learning_steps,
    load_dataset,
    self_ensemble,
)
from intaglio.evaluate.artifacts import Verdict, inspect_artifacts, judge, overall
from intaglio.evaluate.metrics import finite_psnr
from intaglio.packed.format import PackedModel
from intaglio.packed.summary import attention_window
from intaglio.progress import Progress, Silent
from intaglio.provenance import file_sha256


@dataclass(frozen=True)
class Measurement:
    """What was measured of one model.

    Attributes:
        opened: the model.
        ensemble: whether eight flips and turns were averaged.
        evaluations: one for each test set, in the order asked for.
        verdict: of the artifact guard over all sets; None where no float network was given.
    """

    opened: Opened
    ensemble: bool
    evaluations: tuple[Evaluation, ...]
    verdict: Verdict | None

    def records(self) -> list[Record]:
        """One record for each test set."""
        return [record_of(self.opened, one, ensemble=self.ensemble) for one in self.evaluations]


def measure(
    opened: Opened,
    data: Path,
    sets: Sequence[str],
    *,
    ensemble: bool = False,
    reference: Opened | None = None,
    progress: Progress | None = None,
) -> Measurement:
    """PSNR-Y and SSIM-Y on every set in `sets` below the folder `data`, by the protocol of the field.

    With `reference`, the float network, the artifact guard compares the two on every picture of every set.
    Raises: DatasetError or ImageError, each with its remedy.
    """
    progress = progress or Silent()
    upscaler = self_ensemble(opened.upscaler) if ensemble else opened.upscaler
    datasets = [load_dataset(data, name, opened.upscaler.scale) for name in sets]
    evaluations = tuple(evaluate(upscaler, dataset, progress=progress) for dataset in datasets)
    verdicts = [guard(opened, reference, dataset, progress) for dataset in datasets] if reference else []
    return Measurement(opened, ensemble, evaluations, overall(verdicts) if verdicts else None)


def guard(opened: Opened, reference: Opened, dataset: Dataset, progress: Progress) -> Verdict:
    """The verdict on a model's pictures against those of its float network, over a whole test set."""
    window = window_of(opened.packed) if opened.packed else None
    verdicts = []
    with progress.stage(f"artifacts {dataset.name}", len(dataset)) as advance:
        for pair in dataset:
            found = inspect_artifacts(
                opened.upscaler(pair.lr),
                reference.upscaler(pair.lr),
                scale=dataset.scale,
                window=window,
                hr=pair.hr,
                name=pair.name,
            )
            verdicts.append(judge(found))
            advance(pair.name)
    return overall(verdicts)


def window_of(packed: PackedModel) -> int | None:
    """The side of the network's attention windows in LR pixels, None where it has none."""
    return attention_window(packed.program)


def record_of(opened: Opened, evaluation: Evaluation, *, ensemble: bool) -> Record:
    """The record of one evaluation; what made a packed model is taken from its header."""
    made: dict[str, Any] = {"method": opened.label, "settings": {}}
    if opened.path is not None and opened.packed is None:
        made["weights_sha256"] = file_sha256(opened.path)
    if opened.packed is not None and opened.path is not None:
        made = _made(opened.packed) | {"bytes": opened.path.stat().st_size}
    if ensemble:
        made["settings"] = {**made["settings"], "self_ensemble": True}
    return Record(
        kind="accuracy",
        network=opened.network,
        scale=evaluation.scale,
        dataset=evaluation.dataset,
        psnr_y=finite_psnr(evaluation.psnr_y),
        ssim_y=evaluation.ssim_y,
        per_image={score.name: (finite_psnr(score.psnr_y), score.ssim_y) for score in evaluation.scores},
        seconds=evaluation.seconds,
        extra={"engine": opened.runs_on},
        **made,
    )


def _made(packed: PackedModel) -> dict[str, Any]:
    header = packed.header
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
