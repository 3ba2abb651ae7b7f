"""What ``intaglio upscale`` does: from words to a batch, a line for each picture, an exit status for all."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from intaglio.app.enlarging import enlarge_files, planned
from intaglio.app.opening import BICUBIC, Opened, open_model
from intaglio.cli.output import duration_text, require_place, say, write_json
from intaglio.cli.progress import shown_progress
from intaglio.errors import ImageError
from intaglio.images.batch import Existing, Outcome, Settings, Status
from intaglio.images.enlarging import AlphaWay
from intaglio.images.files import FILM_SUFFIXES, MAX_PIXELS
from intaglio.images.naming import Job, suffix_of
from intaglio.images.sizing import Size, parse_box
from intaglio.progress import Silent
from intaglio.runtime.engine import Backend

SMALL_FILE = 100_000
"""Bytes of a picture that is enlarged within a second: some 200 x 200 pixels where they compress badly."""


@dataclass(frozen=True)
class Words:
    """What the user typed, without the model."""

    pictures: tuple[str, ...]
    output: Path | None = None
    scale: float | None = None
    size: str | None = None
    max_side: int | None = None
    alpha: str = "network"
    format: str | None = None
    quality: int | None = None
    bits: int | None = None
    existing: str = "skip"
    workers: int = 2
    max_pixels: int | None = None
    frames: str | None = None

    @property
    def factor(self) -> Fraction | None:
        """The factor, as the fraction that was meant: 1.1 is 11/10."""
        return None if self.scale is None else Fraction(str(self.scale))


def run_upscale(
    model: str,
    words: Words,
    *,
    backend: Backend,
    threads: int | None,
    memory: int | None,
    json: Path | None,
    on: str = "",
) -> None:
    """Enlarge everything; what is written so far stays when a later picture fails.

    Raises: the picture's own error where there is one picture, ImageError with the count where some of many failed.
    """
    size = Size(words.factor, parse_box(words.size) if words.size else None, words.max_side)
    # The bicubic baseline has any factor: whole ones by MATLAB's protocol in 8 bits, others by exact resampling alone.
    whole = size.factor if size.factor is not None and size.factor.denominator == 1 else None
    own = int(whole or (1 if size.factor or size.box else 2)) if model == BICUBIC else None
    opened = open_model(model, scale=own, backend=backend, threads=threads, memory=memory)
    settings = Settings(
        size, AlphaWay(words.alpha), words.quality, words.bits, Existing(words.existing),
        words.max_pixels or MAX_PIXELS, words.workers,
    )  # fmt: skip
    if len(words.pictures) == 1 and Path(words.pictures[0]).suffix.lower() in FILM_SUFFIXES:
        from intaglio.cli.filming import run_film

        if on:
            raise ImageError("A film runs on one machine; leave --on out.")
        run_film(opened, words, size, json)
        return
    suffix = suffix_of(words.format) if words.format else None
    jobs = planned(opened, words.pictures, words.output, size=size, suffix=suffix)
    require_place(json, *([jobs[0].target] if len(jobs) == 1 and words.output is None else []))
    if on:
        from intaglio.app.shards import Shard, enlarge_on_cluster, shards_of

        shard = Shard((), model, own, backend, threads or 1, memory, settings)
        found = enlarge_on_cluster(shards_of(jobs, shard), on)
    else:
        found = enlarge_files(opened, jobs, settings)
    outcomes = list(_told(jobs, found))
    _summarize(opened, outcomes, json)


def _told(jobs: Sequence[Job], outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
    """Every outcome, shown as it comes."""
    # Bars take as long to load as a small picture to enlarge.
    shown = shown_progress() if _takes_a_while(jobs) else nullcontext(Silent())
    began, done = time.perf_counter(), 0
    with shown as progress, progress.stage("upscale", len(jobs)) as advance:
        for outcome in outcomes:
            done += outcome.status is Status.ENLARGED
            advance(f"{outcome.source.name}, {done / (time.perf_counter() - began):.2f} pictures/s")
            if outcome.status is Status.FAILED and len(jobs) > 1:
                print(f"failed: {outcome.source}: {outcome.reason}", file=sys.stderr, flush=True)
            yield outcome


def _summarize(opened: Opened, outcomes: Sequence[Outcome], json: Path | None) -> None:
    for one in outcomes:
        if one.status is Status.ENLARGED:
            say(f"{one.target}: {one.width} x {one.height} in {duration_text(one.seconds)}{_notes(one)}")
        elif one.status is Status.SKIPPED:
            say(f"{one.source}: skipped, {one.reason} ({one.target})")
    counts = Counter(one.status for one in outcomes)
    if len(outcomes) > 1:
        say(", ".join(f"{counts[status]} {status}" for status in Status))
    scale = opened.upscaler.scale
    say(f"{opened.label} {opened.network} x{scale}, run by {opened.runs_on}")
    told = {"model": opened.label, "scale": scale, "runs_on": opened.runs_on}
    totals = {str(status): counts[status] for status in Status}
    write_json(json, {**told, **totals, "pictures": [_row(one) for one in outcomes]})
    if counts[Status.FAILED]:
        first = next(one for one in outcomes if one.status is Status.FAILED)
        if len(outcomes) == 1:
            raise first.error or ImageError(first.reason)
        raise ImageError(
            f"{counts[Status.FAILED]} of {len(outcomes)} pictures failed, the first of them {first.source}; the others "
            "are done. Mend or remove those, and run again: what is done is skipped."
        )


def _takes_a_while(jobs: Sequence[Job]) -> bool:
    return len(jobs) > 1 or any(job.source.is_file() and job.source.stat().st_size > SMALL_FILE for job in jobs)


def _notes(one: Outcome) -> str:
    return f" ({'; '.join(one.notes)})" if one.notes else ""


def _row(one: Outcome) -> dict[str, Any]:
    return {
        "input": str(one.source),
        "output": str(one.target),
        "status": str(one.status),
        "reason": one.reason,
        "width": one.width,
        "height": one.height,
        "mode": one.mode,
        "bits": one.bits,
        "frames": one.frames,
        "seconds": round(one.seconds, 4),
        "notes": list(one.notes),
    }
