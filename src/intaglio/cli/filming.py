"""What ``intaglio upscale`` does with a film: one file in, one file out, a bar of frames."""

from __future__ import annotations

import re
import time
from pathlib import Path

from intaglio.app.opening import Opened
from intaglio.cli.output import duration_text, require_place, say, write_json
from intaglio.cli.progress import shown_progress
from intaglio.cli.upscaling import Words
from intaglio.errors import ImageError, OutputError
from intaglio.images.files import FILM_SUFFIXES
from intaglio.images.film import QUALITY, FilmSettings, count_frames, enlarge_film
from intaglio.images.naming import tag_of
from intaglio.images.sizing import Size

_RANGE = re.compile(r"^(\d*):(\d*)$")


def run_film(opened: Opened, words: Words, size: Size, json: Path | None) -> None:
    """Enlarge a film; a run that was killed goes on where it stopped.

    Raises: ImageError and OutputError, each with its remedy.
    """
    source = Path(words.pictures[0])
    first, last = _range(words.frames)
    settings = FilmSettings(size, words.quality or QUALITY, first, last)
    target = _target(source, words.output, tag_of(size, opened.upscaler.scale))
    require_place(json, target)
    if target.exists() and words.existing != "overwrite":
        if words.existing == "fail":
            raise OutputError(f"{target} exists; choose another output, or --existing overwrite.")
        say(f"{source}: skipped, the result exists ({target})")
        return
    total = count_frames(source, settings)
    label = str(opened.packed.header.provenance) if opened.packed else f"{opened.label} {opened.path}"
    began = time.perf_counter()
    with shown_progress() as progress, progress.stage("frames", max(total, 1)) as advance:
        done = enlarge_film(source, target, opened.upscaler, settings, f"{label} {opened.label}", advance)
    seconds = time.perf_counter() - began
    rate = (done.frames - done.resumed) / seconds
    size_text, took = f"{done.width} x {done.height}", duration_text(seconds)
    say(f"{target}: {size_text}, {done.frames} frames in {took}, {rate:.2f} frames/s")
    say(f"{done.encoder} {done.pixels}; {done.computed} frames computed, {done.resumed} kept from an earlier run")
    say(f"{opened.label} {opened.network} x{opened.upscaler.scale}, run by {opened.runs_on}")
    told = {"model": opened.label, "scale": opened.upscaler.scale, "runs_on": opened.runs_on}
    film = {"input": str(source), "output": str(target), "frames": done.frames, "computed": done.computed}
    more = {"resumed": done.resumed, "width": done.width, "height": done.height, "pixels": done.pixels}
    write_json(json, {**told, **film, **more, "encoder": done.encoder, "seconds": round(seconds, 4)})


def _target(source: Path, output: Path | None, tag: str) -> Path:
    name = f"{source.stem}{tag}{source.suffix}"
    target = source.with_name(name) if output is None else output / name if output.is_dir() else output
    if target.suffix.lower() not in FILM_SUFFIXES:
        raise OutputError(f"Cannot write {target}: its ending names no film; use one of {' '.join(FILM_SUFFIXES)}.")
    if target.resolve() == source.resolve():
        raise OutputError(f"{target} is the film itself; a source is never overwritten. Name another file.")
    return target


def _range(text: str | None) -> tuple[int, int | None]:
    """The first frame and the one behind the last, from ``100:200``, ``100:`` or ``:200``."""
    if text is None:
        return 0, None
    found = _RANGE.match(text)
    if not found or not any(found.groups()):
        raise ImageError(f"{text!r} is no range of frames; write 100:200, 100: or :200.")
    first, last = int(found[1] or 0), int(found[2]) if found[2] else None
    if last is not None and last <= first:
        raise ImageError(f"The range of frames {text} is empty; write 100:200, 100: or :200.")
    return first, last
