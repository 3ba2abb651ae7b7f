"""What ``intaglio upscale`` does with an opened model: pictures in, pictures out, one line each."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from intaglio._atomic import PathLike, make_folder
from intaglio.app.opening import Opened
from intaglio.cli.output import duration_text, require_place, say, write_json
from intaglio.cli.progress import shown_progress
from intaglio.errors import OutputError
from intaglio.images import SUFFIXES, list_images, read_image, write_image
from intaglio.progress import Silent

SMALL_FILE = 100_000
"""Bytes of a picture that is enlarged within a second: some 200 x 200 pixels where they compress badly."""


def run_upscale(opened: Opened, source: Path, output: Path | None, json: Path | None) -> None:
    """Enlarge one picture or all of a folder; what is written so far stays when a later picture fails."""
    scale = opened.upscaler.scale
    pairs = _folder_pairs(source, output, scale) if source.is_dir() else [(source, _target(source, output, scale))]
    require_place(json, *(target for _, target in pairs))
    rows = []
    # Bars take as long to load as a small picture to enlarge.
    shown = shown_progress() if _takes_a_while(pairs) else nullcontext(Silent())
    with shown as progress, progress.stage("upscale", len(pairs)) as advance:
        for picture, target in pairs:
            rows.append(_enlarge(opened, picture, target))
            advance(picture.name)
    for row in rows:
        say(f"{row['output']}: {row['width']} x {row['height']} in {duration_text(row['seconds'])}")
    say(f"{opened.label} {opened.network} x{scale}, run by {opened.runs_on}")
    write_json(json, {"model": opened.label, "scale": scale, "runs_on": opened.runs_on, "pictures": rows})


def _takes_a_while(pairs: Sequence[tuple[Path, Path]]) -> bool:
    return len(pairs) > 1 or any(source.is_file() and source.stat().st_size > SMALL_FILE for source, _ in pairs)


def _enlarge(opened: Opened, picture: Path, target: Path) -> dict[str, Any]:
    image = read_image(picture)
    began = time.perf_counter()
    enlarged = opened.upscaler(image)
    seconds = time.perf_counter() - began
    write_image(target, enlarged)
    height, width = enlarged.shape[:2]
    return {
        "input": str(picture),
        "output": str(target),
        "width": width,
        "height": height,
        "seconds": round(seconds, 4),
    }


def _target(source: Path, output: Path | None, scale: int) -> Path:
    """Where one picture goes: a file, a folder that exists, or beside the source."""
    name = f"{source.stem}_x{scale}.png"
    if output is None:
        return source.with_name(name)
    if output.is_dir():
        return output / name
    if output.suffix.lower() not in SUFFIXES:
        raise OutputError(
            f"Cannot write {output}: its ending names no picture format; use one of {' '.join(SUFFIXES)}."
        )
    return output


def _folder_pairs(folder: Path, output: Path | None, scale: int) -> list[tuple[Path, Path]]:
    """Every picture of a folder and where it goes; the folder for the results is made when it is missing."""
    pictures = list_images(folder)
    results = output or folder.with_name(f"{folder.resolve().name}_x{scale}")
    make_folder(results)
    targets = [results / f"{picture.stem}_x{scale}.png" for picture in pictures]
    _require_distinct(targets)
    return list(zip(pictures, targets, strict=True))


def _require_distinct(targets: Iterable[PathLike]) -> None:
    names = [str(target) for target in targets]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise OutputError(f"Two pictures would both become {twice}; rename one of them (photo.jpg beside photo.png).")
