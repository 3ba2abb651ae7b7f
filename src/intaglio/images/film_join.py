"""The segments of an enlarged film beside what its source holds besides pictures: packets copied, nothing decoded."""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

from intaglio.errors import ImageError
from intaglio.images.files import first_line

_FORMATS = {".mkv": "matroska", ".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".webm": "webm", ".avi": "avi"}
_COPIED = ("audio", "subtitle")

Span = tuple[Fraction, Fraction] | None
"""When a range begins and ends, in seconds; None for a whole film."""


def join(
    av: ModuleType, source: Path, segments: Sequence[Path], target: Path, first: int = 0, last: int | None = None
) -> None:
    """Write `target`, whole or not at all: the segments as its video; sound, subtitles, chapters, titles of `source`.

    Where a range of frames was asked for, everything is cut to its time and moved to begin at 0.
    Raises: ImageError where the container holds no such stream (remedy: another ending).
    """
    if not segments:
        raise ImageError(f"{source} has no frame in the range asked for; check --frames.")
    span = _span(av, segments) if first or last is not None else None
    part = target.with_name(f".{target.name[:64]}.{os.urandom(4).hex()}.part")
    try:
        with av.open(str(source)) as film, _opened(av, part, target) as out:
            _copy(av, film, segments, out, span, target)
        with part.open("rb") as stream:
            os.fsync(stream.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _opened(av: ModuleType, part: Path, target: Path) -> Any:
    """A file to write; the same film gives the same bytes, so that Matroska draws no identifiers."""
    return av.open(str(part), "w", format=_FORMATS[target.suffix.lower()], options={"fflags": "+bitexact"})


def _copy(av: ModuleType, film: Any, segments: Sequence[Path], out: Any, span: Span, target: Path) -> None:
    with av.open(str(segments[0])) as pattern:
        video = out.add_stream_from_template(pattern.streams.video[0])
        video.time_base = pattern.streams.video[0].time_base
    own = film.streams.video[0]
    video.metadata.update(own.metadata)
    copied = {}
    for stream in film.streams:
        if stream.type in _COPIED:
            try:
                copied[stream.index] = out.add_stream_from_template(stream)
            except (av.error.FFmpegError, ValueError) as error:
                what = f"{stream.type} ({stream.codec_context.name if stream.codec_context else 'unknown'})"
                raise ImageError(f"{target} cannot hold {what}: {first_line(error)}; write .mkv.") from error
            copied[stream.index].metadata.update(stream.metadata)
            copied[stream.index].disposition = stream.disposition
    out.metadata.update(film.metadata)
    if span is None and film.chapters():
        out.set_chapters(film.chapters())
    begin = span[0] if span else Fraction(0)
    streams = [_video(av, segments, video, begin)]
    if copied:
        streams.append(_others(film, copied, span))
    for _, packet in heapq.merge(*streams, key=lambda pair: pair[0]):
        out.mux(packet)


def _video(av: ModuleType, segments: Sequence[Path], video: Any, begin: Fraction) -> Iterator[tuple[Fraction, Any]]:
    for path in segments:
        with av.open(str(path)) as segment:
            for packet in segment.demux(segment.streams.video[0]):
                if packet.dts is not None:
                    yield _moved(packet, video, begin)


def _others(film: Any, copied: dict[int, Any], span: Span) -> Iterator[tuple[Fraction, Any]]:
    for packet in film.demux([stream for stream in film.streams if stream.index in copied]):
        if packet.dts is None:
            continue
        at = packet.dts * packet.time_base
        if span is None or span[0] <= at < span[1]:
            yield _moved(packet, copied[packet.stream.index], span[0] if span else Fraction(0))


def _moved(packet: Any, stream: Any, begin: Fraction) -> tuple[Fraction, Any]:
    """When a packet is due, and the packet for its new stream, `begin` seconds earlier."""
    shift = round(begin / packet.time_base)
    packet.pts = None if packet.pts is None else packet.pts - shift
    packet.dts -= shift
    packet.stream = stream
    return packet.dts * packet.time_base, packet


def _span(av: ModuleType, segments: Sequence[Path]) -> tuple[Fraction, Fraction]:
    """When the first frame of the segments begins and the last one ends, in seconds."""
    times = []
    for path in (segments[0], segments[-1]):
        with av.open(str(path)) as segment:
            times += [
                (packet.pts * packet.time_base, (packet.pts + (packet.duration or 0)) * packet.time_base)
                for packet in segment.demux(segment.streams.video[0])
                if packet.pts is not None
            ]
    return min(start for start, _ in times), max(stop for _, stop in times)
