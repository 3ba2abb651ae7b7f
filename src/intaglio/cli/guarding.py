"""The artifact guard on the command line: running it over a test set, and saying its verdict."""

from __future__ import annotations

from typing import Any

from intaglio.cli.models import Opened
from intaglio.cli.output import say
from intaglio.evaluate import Dataset
from intaglio.evaluate.artifacts import Verdict, inspect_artifacts, judge, overall
from intaglio.packed.format import PackedModel
from intaglio.progress import Progress


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
    return max((op.integer("window") for op in packed.program.ops if op.kind == "window_block"), default=None)


def say_verdict(verdict: Verdict) -> None:
    """Print the verdict and its reasons."""
    say(f"artifacts: {verdict.level}{'' if verdict.reasons else ', none beyond its limit'}")
    for reason in verdict.reasons:
        say(f"  {reason}")


def verdict_figures(verdict: Verdict) -> dict[str, Any]:
    """The verdict as JSON values."""
    values = {one.measure: {"value": one.value, "level": str(one.level)} for one in verdict.findings}
    return {"verdict": str(verdict.level), "reasons": list(verdict.reasons), "measures": values}
