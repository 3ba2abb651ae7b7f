"""Files and folders of pictures enlarged by whatever is open, and a picture of a result that a browser shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from intaglio.app.opening import Opened
from intaglio.errors import ImageError
from intaglio.images.animation import Animation
from intaglio.images.batch import Existing, Outcome, Settings, Status, run_batch
from intaglio.images.naming import Job, plan, tag_of
from intaglio.images.picture import Picture
from intaglio.images.reading import read_still_or_moving
from intaglio.images.sizing import NATURAL, Size
from intaglio.images.writing import write_picture

SHOWN = (".png", ".apng", ".jpg", ".jpeg", ".jfif", ".webp", ".gif", ".avif")
"""Endings of files that browsers show as they are."""


def result_name(name: str, scale: int) -> str:
    """What the result of a picture is called.

    >>> result_name("photo.jpg", 2)
    'photo_x2.jpg'
    """
    path = Path(name)
    return f"{path.stem}{tag_of(NATURAL, scale)}{path.suffix}"


def planned(
    opened: Opened,
    pictures: Sequence[str | Path],
    output: Path | None = None,
    *,
    size: Size = NATURAL,
    suffix: str | None = None,
) -> list[Job]:
    """Which file is enlarged into which: files, folders with all below them, patterns; see `intaglio.images.naming`.

    Raises: DatasetError where nothing is found; ImageError or OutputError where a result cannot be written.
    """
    return plan(pictures, output, tag_of(size, opened.upscaler.scale), suffix)


def enlarge_files(opened: Opened, jobs: Sequence[Job], settings: Settings) -> Iterator[Outcome]:
    """Enlarge every job, in order; an outcome for each as it comes, failures among them.

    Large pictures go through a packed model in strips that overlap as far as its network looks; `settings` need not
    tell how far. What was enlarged before may be kept: see `Existing`.
    """
    yield from run_batch(jobs, opened.upscaler, replace(settings, halo=_halo(opened)))


def _halo(opened: Opened) -> int | None:
    """How far the network looks, where that has a bound."""
    if opened.packed is None:
        return None
    from intaglio.runtime.receptive_field import receptive_field

    return receptive_field(opened.packed.program)


def enlarge_file(opened: Opened, source: Path, target: Path, *, max_pixels: int) -> Outcome:
    """Enlarge the picture in `source` into `target`, whole or not at all, replacing what is there.

    Raises: ImageError or whatever the network raises, with its remedy.
    """
    settings = Settings(existing=Existing.OVERWRITE, max_pixels=max_pixels, workers=0)
    (outcome,) = enlarge_files(opened, [Job(source, target)], settings)
    if outcome.status is Status.FAILED:
        raise outcome.error if isinstance(outcome.error, Exception) else ImageError(outcome.reason)
    return outcome


def write_preview(picture: Path, preview: Path, *, max_pixels: int) -> Path:
    """A file that a browser shows in place of `picture`: that file itself, or its first frame as an 8-bit PNG in
    `preview`. Raises: ImageError, OutputError."""
    if picture.suffix.lower() in SHOWN:
        return picture
    found = read_still_or_moving(picture, max_pixels=max_pixels)
    first: Picture = found.frames[0] if isinstance(found, Animation) else found
    write_picture(preview, first, bits=8)
    return preview
