"""Many pictures through one network: read and written by threads while it computes; one bad file stops nothing.

Which files is `naming.py`; how one is enlarged is `enlarging.py`.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from intaglio._atomic import make_folder, write_bytes_atomic
from intaglio.errors import ImageError, IntaglioError
from intaglio.images.animation import Animation
from intaglio.images.enlarging import AlphaWay, Upscaler8, enlarge, network_of
from intaglio.images.files import MAX_PIXELS, quiet, read_bytes
from intaglio.images.naming import Job, leftovers
from intaglio.images.picture import Picture
from intaglio.images.reading import decode, read_header
from intaglio.images.sizing import NATURAL, Size
from intaglio.images.writing import MOVING, depth_for, encode, encode_animation, format_of

if TYPE_CHECKING:
    from intaglio.images.strips import Source

STREAM_ABOVE = 16_000_000
"""Pixels of a picture that is streamed: at x4 and 16 bits its result alone is 1.5 GB."""


_BEST_COMPRESSION = 10_000  # pixels to a byte: more than any format reaches, so that no header is read for nothing


class Existing(StrEnum):
    """What happens where a result is there already."""

    SKIP = "skip"
    OVERWRITE = "overwrite"
    FAIL = "fail"


class Status(StrEnum):
    """What became of a file."""

    ENLARGED = "enlarged"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True)
class Settings:
    """How all pictures of a batch are enlarged and written; see `enlarge` and `write_picture`.

    Pictures of more than `stream_above` pixels are enlarged in strips of rows, where their formats allow it; `halo` is
    then how many rows the network looks up and down, None where that has no useful bound.
    """

    size: Size = NATURAL
    alpha: AlphaWay = AlphaWay.NETWORK
    quality: int | None = None
    bits: int | None = None
    existing: Existing = Existing.SKIP
    max_pixels: int = MAX_PIXELS
    workers: int = 2
    halo: int | None = None
    stream_above: int = STREAM_ABOVE


@dataclass(frozen=True)
class Outcome:
    """What became of one job. Where it was enlarged: its size, mode, depth, frames, the network's seconds, notes of
    what had to be converted; else the reason."""

    source: Path
    target: Path
    status: Status
    reason: str = ""
    width: int = 0
    height: int = 0
    mode: str = ""
    bits: int = 0
    frames: int = 0
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    error: Exception | None = None


Enlarged = Picture | Animation


def run_batch(jobs: Sequence[Job], upscaler: Upscaler8, settings: Settings) -> Iterator[Outcome]:
    """Enlarge every job and say what became of it, in their order.

    While the network computes, `workers` threads read ahead and write behind; a few pictures are in memory at a time.
    Results appear whole or not at all, so that a run after a kill goes on where the first one stopped
    (`Existing.SKIP`), to the same bytes. What a killed run left half-written is removed first. A picture that cannot
    be read, enlarged or written is reported, the rest goes on; a result that may not be replaced (`Existing.FAIL`) is
    a failure of its own.
    """
    for part in leftovers(job.target for job in jobs):
        part.unlink(missing_ok=True)
    checked = [_checked(job, settings.existing) for job in jobs]
    if len(jobs) == 1 or settings.workers < 1:
        for one in checked:
            with quiet():
                outcome = one if isinstance(one, Outcome) else _alone(one, upscaler, settings)
            yield outcome
        return
    with quiet(), ThreadPoolExecutor(settings.workers, thread_name_prefix="pictures") as pool:
        try:
            yield from _overlapped(checked, upscaler, settings, pool)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _overlapped(
    checked: Sequence[Job | Outcome], upscaler: Upscaler8, settings: Settings, pool: ThreadPoolExecutor
) -> Iterator[Outcome]:
    ahead: deque[tuple[Job, Future[Enlarged | Source]] | Outcome] = deque()
    behind: deque[Future[Outcome] | Outcome] = deque()
    waiting = iter(checked)

    def read_more() -> bool:
        one = next(waiting, None)
        if one is None:
            return False
        ahead.append(one if isinstance(one, Outcome) else (one, pool.submit(_read, one, settings)))
        return True

    for _ in range(2 * settings.workers):
        read_more()
    while ahead:
        read_more()
        one = ahead.popleft()
        if isinstance(one, Outcome):
            behind.append(one)
        else:
            job, future = one
            large = _attempt(job, partial(_compute, job, future.result, upscaler, settings))
            behind.append(large if isinstance(large, Outcome) else pool.submit(_write, job, large, settings))
        while behind and (len(behind) > 2 * settings.workers or not ahead or _finished(behind[0])):
            yield _result(behind.popleft())
    while behind:
        yield _result(behind.popleft())


def _finished(one: Future[Outcome] | Outcome) -> bool:
    return isinstance(one, Outcome) or one.done()


def _result(one: Future[Outcome] | Outcome) -> Outcome:
    return one if isinstance(one, Outcome) else one.result()


def _alone(job: Job, upscaler: Upscaler8, settings: Settings) -> Outcome:
    large = _attempt(job, partial(_compute, job, partial(_read, job, settings), upscaler, settings))
    return large if isinstance(large, Outcome) else _write(job, large, settings)


def _attempt(job: Job, work: Callable[[], Any]) -> Any:
    """What `work` gives, or what to tell of its failure."""
    try:
        return work()
    except Exception as error:  # whatever one file does must not end the others
        known = isinstance(error, IntaglioError)
        reason = str(error) if known else "not enough memory" if isinstance(error, MemoryError) else repr(error)
        return _failed(job, " ".join(reason.split()), error)


def _failed(job: Job, reason: str, error: Exception | None = None) -> Outcome:
    return Outcome(job.source, job.target, Status.FAILED, reason, error=error)


def _checked(job: Job, existing: Existing) -> Job | Outcome:
    if job.skip:
        return Outcome(job.source, job.target, Status.SKIPPED, job.skip)
    if existing is Existing.OVERWRITE or not job.target.exists():
        return job
    if existing is Existing.FAIL:
        return _failed(job, f"{job.target} exists; choose another output, or --existing skip or overwrite.")
    return Outcome(job.source, job.target, Status.SKIPPED, "the result exists")


def _read(job: Job, settings: Settings) -> Enlarged | Source:
    large = job.source.is_file() and job.source.stat().st_size > settings.stream_above // _BEST_COMPRESSION
    if large and settings.size == NATURAL:
        header = read_header(job.source, max_pixels=settings.max_pixels)
        if header is not None and header.pixels > settings.stream_above:
            from intaglio.images.strips import streamable

            source = streamable(job.source, job.target, settings.max_pixels)
            if source is not None:
                return source
    return decode(read_bytes(job.source), job.source, max_pixels=settings.max_pixels)


def _compute(
    job: Job, read: Callable[[], Enlarged | Source], upscaler: Upscaler8, settings: Settings
) -> tuple[Enlarged, float] | Outcome:
    """The enlarged picture and the seconds that took; the outcome where a picture was streamed to its end.

    Frames that repeat the one before are not computed again.
    """
    found = read()
    if not isinstance(found, Picture | Animation):
        return _streamed(job, found, upscaler, settings)
    if isinstance(found, Animation) and format_of(job.target) not in MOVING:
        raise ImageError(f"{job.source} is an animation; write .gif, .png, .webp or .avif, or split it first.")
    began = time.perf_counter()
    frames: list[Picture] = []
    before: Picture | None = None
    for one in found.frames if isinstance(found, Animation) else (found,):
        if before is not None and np.array_equal(before.samples, one.samples):
            frames.append(frames[-1])
            continue
        frames.append(enlarge(one, network_of(upscaler, one.bits), alpha=settings.alpha, size=settings.size))
        before = one
    seconds = time.perf_counter() - began
    large = replace(found, frames=tuple(frames)) if isinstance(found, Animation) else frames[0]
    return large, seconds


def _streamed(job: Job, source: Source, upscaler: Upscaler8, settings: Settings) -> Outcome:
    from intaglio.images.strips import HALO, enlarge_strips

    make_folder(job.target.parent)
    network = network_of(upscaler, source.bits)
    last, seconds = enlarge_strips(
        source, job.target, network, alpha=settings.alpha, halo=HALO if settings.halo is None else settings.halo,
        bits=settings.bits, quality=settings.quality,
    )  # fmt: skip
    height, width = source.height * network.scale, source.width * network.scale
    mode, notes = str(last.mode), ("in strips of rows",)
    return Outcome(job.source, job.target, Status.ENLARGED, "", width, height, mode, last.bits, 1, seconds, notes)


def _write(job: Job, computed: tuple[Enlarged, float], settings: Settings) -> Outcome:
    large, seconds = computed

    def work() -> Outcome:
        if isinstance(large, Animation):
            data = encode_animation(large, job.target, quality=settings.quality)
            first, count = large.frames[0], len(large.frames)
        else:
            data, first, count = encode(large, job.target, quality=settings.quality, bits=settings.bits), large, 1
        make_folder(job.target.parent)
        write_bytes_atomic(job.target, data)
        bits = settings.bits or depth_for(format_of(job.target), first.bits)
        return Outcome(
            job.source, job.target, Status.ENLARGED, "", first.width, first.height, str(first.mode), bits, count,
            seconds, first.notes,
        )  # fmt: skip

    told: Outcome = _attempt(job, work)
    return told
