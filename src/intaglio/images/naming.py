"""Which files are to be enlarged, and where each result goes: folders, patterns, several inputs; own results apart."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from intaglio._atomic import PathLike
from intaglio.errors import DatasetError, ImageError, OutputError
from intaglio.images.files import FORMAT_OF_SUFFIX
from intaglio.images.sizing import Size

_MAGIC = re.compile(r"[*?\[]")
_PART = re.compile(r"^\.(.+)\.[0-9a-f]{8}\.part$")
_PART_NAME = 64  # characters of a name that `atomic_write` keeps


@dataclass(frozen=True)
class Job:
    """One file to enlarge and the file to write; `skip` says why nothing is to be done."""

    source: Path
    target: Path
    skip: str = ""


def tag_of(size: Size, network: int) -> str:
    """What the name of a result has behind its stem.

    >>> tag_of(Size(), 4), tag_of(Size(box=(1920, None)), 4), tag_of(Size(max_side=1000), 4)
    ('_x4', '_1920x', '_x4_max1000')
    """
    if size.box:
        width, height = size.box
        tag = f"_{width or ''}x{height or ''}"
    else:
        factor = float(size.factor or network)
        tag = f"_x{factor:g}"
    return f"{tag}_max{size.max_side}" if size.max_side else tag


def plan(inputs: Sequence[PathLike], output: Path | None, tag: str, suffix: str | None = None) -> list[Job]:
    """What is to be done for files, folders (with all below them) and patterns.

    A result is ``<stem><tag>`` with the source's ending, or `suffix`: beside its source, or in the folder `output`,
    where what was below a folder keeps its place. Pictures of a folder go to ``<folder><tag>`` unless `output` says
    otherwise. One picture may name its file. A file that is the result of another one that is named too, or that lies
    in the folder of results, is not enlarged again.

    Raises: DatasetError where nothing is found; OutputError where two results meet, a result would take the place of a
    source, or several pictures are to become one file; ImageError for an ending that cannot be written.
    """
    found = list(_expanded(inputs))
    single = len(found) == 1 and not found[0].is_dir()
    if single and output is not None and not output.is_dir():
        jobs = [Job(found[0], _file(found[0], output))]
    else:
        jobs = [job for one in found for job in _jobs(one, output, tag, suffix)]
        own = set() if single else own_results((job.source for job in jobs), tag)
        jobs = [Job(j.source, j.target, "a result of ours") if j.source in own else j for j in jobs]
    if not jobs:
        known = " ".join(FORMAT_OF_SUFFIX)
        raise DatasetError(f"{', '.join(map(str, inputs))} holds no picture ({known}); check the path.")
    _require_distinct([job for job in jobs if not job.skip])
    return jobs


def own_results(sources: Iterable[Path], tag: str) -> set[Path]:
    """Those of `sources` whose names say that they were made of another one: ``photo_x2.png`` beside ``photo.jpg``.

    >>> sorted(map(str, own_results([Path("a.jpg"), Path("a_x2.png"), Path("b_x2.png")], "_x2")))
    ['a_x2.png']
    """
    paths = list(sources)
    stems = {(path.parent, path.stem) for path in paths}
    return {
        path
        for path in paths
        if path.stem.endswith(tag) and (path.parent, path.stem.removesuffix(tag)) in stems and path.stem != tag
    }


def pictures_below(folder: Path, without: Path | None = None) -> list[Path]:
    """Every picture in a folder and below it, by the order of names; hidden files and folders, links to folders and
    the folder `without` are passed over."""
    found = []
    avoid = None if without is None else without.resolve()
    for place, folders, names in os.walk(folder):
        here = Path(place)
        folders[:] = sorted(name for name in folders if name[0] != "." and (here / name).resolve() != avoid)
        found += [here / name for name in sorted(names) if name[0] != "." and _known(name) and (here / name).is_file()]
    return found


def leftovers(targets: Iterable[Path]) -> list[Path]:
    """Parts of `targets` that a killed run left in their folders."""
    names: dict[Path, set[str]] = {}
    for target in targets:
        names.setdefault(target.parent, set()).add(target.name[:_PART_NAME])
    return [
        path
        for folder, ours in names.items()
        if folder.is_dir()
        for path in folder.iterdir()
        if (part := _PART.match(path.name)) and part[1] in ours
    ]


def _expanded(inputs: Sequence[PathLike]) -> Iterator[Path]:
    for one in map(Path, inputs):
        if one.exists() or not _MAGIC.search(str(one)):
            yield one
            continue
        anchor = Path(one.anchor) if one.is_absolute() else Path()
        pattern = str(one.relative_to(anchor)) if one.is_absolute() else str(one)
        matches = sorted(path for path in anchor.glob(pattern) if path.is_file() and _known(path.name))
        if not matches:
            raise DatasetError(f"No picture is called {one}; check the pattern.")
        yield from matches


def _jobs(source: Path, output: Path | None, tag: str, suffix: str | None) -> Iterator[Job]:
    if not source.is_dir():
        yield Job(source, (output or source.parent) / _name(source, tag, suffix))
        return
    results = output or source.with_name(f"{source.resolve().name}{tag}")
    for path in pictures_below(source, without=results):
        yield Job(path, results / path.relative_to(source).parent / _name(path, tag, suffix))


def _name(source: Path, tag: str, suffix: str | None) -> str:
    ending = suffix or (source.suffix if _known(source.name) else ".png")
    return f"{source.stem}{tag}{ending}"


def _file(source: Path, output: Path) -> Path:
    if not _known(output.name):
        known = " ".join(FORMAT_OF_SUFFIX)
        raise OutputError(f"Cannot write {output}: its ending names no picture format; use one of {known}.")
    if output.resolve() == source.resolve():
        raise OutputError(f"{output} is the picture itself; a source is never overwritten. Name another file.")
    return output


def _known(name: str) -> bool:
    return Path(name).suffix.lower() in FORMAT_OF_SUFFIX


def _require_distinct(jobs: Sequence[Job]) -> None:
    sources, targets = {job.source.resolve() for job in jobs}, set()
    for job in jobs:
        target = job.target.resolve()
        if target in targets:
            raise OutputError(f"Two pictures would both become {job.target}; rename one, or name folders apart.")
        if target in sources:
            raise OutputError(f"{job.target} would take the place of a source; choose another --output.")
        targets.add(target)


def suffix_of(form: str) -> str:
    """The ending for a format that a user named. Raises: ImageError for an unknown one.

    >>> suffix_of("JPEG"), suffix_of("webp")
    ('.jpeg', '.webp')
    """
    suffix = f".{form.lower().removeprefix('.')}"
    if suffix not in FORMAT_OF_SUFFIX:
        known = " ".join(one.removeprefix(".") for one in FORMAT_OF_SUFFIX)
        raise ImageError(f"{form!r} is no format that can be written; choose one of {known}.")
    return suffix
