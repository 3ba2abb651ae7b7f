"""Films (extra ``video``): frames through a network, in segments that survive a kill; the rest of the film is copied.

The segments hold video alone; `film_join.py` puts them beside the source's sound, subtitles and chapters.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from queue import Empty, Full, Queue
from threading import Event, Thread
from types import ModuleType
from typing import Any

import numpy as np

from intaglio._atomic import make_folder, write_text_atomic
from intaglio._shapes import Shaped
from intaglio.errors import ImageError
from intaglio.images.enlarging import AlphaWay, Network, Upscaler8, enlarge, network_of
from intaglio.images.files import first_line
from intaglio.images.picture import Picture
from intaglio.images.sizing import NATURAL, Size

SEGMENT = 24
"""Frames of a segment: what a kill costs at most."""

QUALITY = 16
"""Constant rate factor of the encoders, unless another is asked for; lower is better."""

_ENCODERS = {"h264": "libx264", "hevc": "libx265", "vp9": "libvpx-vp9", "av1": "libsvtav1"}
_WEBM = "libvpx-vp9"
_WAITING = 4  # frames between two threads
_MATRICES = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}  # of the film -> of swscale; others are taken as BT.601


@dataclass(frozen=True)
class FilmSettings:
    """How a film is enlarged: size, encoder quality (constant rate factor), and which frames ([first, last), None for
    open ends)."""

    size: Size = NATURAL
    crf: int = QUALITY
    first: int = 0
    last: int | None = None
    segment: int = SEGMENT


@dataclass(frozen=True)
class FilmDone:
    """What became of a film."""

    frames: int
    computed: int
    resumed: int
    width: int
    height: int
    pixels: str
    encoder: str


@dataclass
class _Stage:
    """What the three threads share."""

    frames: Queue[Any] = field(default_factory=lambda: Queue(_WAITING))
    large: Queue[Any] = field(default_factory=lambda: Queue(_WAITING))
    stop: Event = field(default_factory=Event)
    failed: list[BaseException] = field(default_factory=list)


def pyav(path: Path) -> ModuleType:
    """PyAV. Raises: ImageError where it is not installed; `path` is for the message."""
    try:
        import av
    except ImportError:
        raise ImageError(f"{path} is a film; to enlarge films, run: pip install 'intaglio[video]'") from None
    module: ModuleType = av
    return module


def enlarge_film(
    source: Path,
    target: Path,
    upscaler: Upscaler8,
    settings: FilmSettings,
    label: str,
    advance: Callable[[str], None] = lambda _: None,
) -> FilmDone:
    """Enlarge a film into `target`: frame times, sound, subtitles, chapters and colour tags are the source's.

    Frames are decoded, enlarged and encoded at once by three threads; one that repeats the frame before it is not
    computed again. Segments of frames are kept beside `target` in a hidden folder until the film is whole: a run that
    was killed goes on behind the last whole segment when it is started again with the same film, model (`label`) and
    settings. `advance` is called once for each frame.

    Raises: ImageError for a film that cannot be read, written or joined, or of 10 bits where the network has 8; what
    the network raises.
    """
    av = pyav(source)
    try:
        parts = _parts(source, target, settings, label)
        done = sorted(parts.glob("*.nut"))
        with av.open(str(source)) as film:
            encoder = _Encoder(av, film.streams.video[0], target, settings)
        network = network_of(upscaler, 16 if encoder.deep else 8)
        frames, computed = _run(av, source, parts, network, settings, encoder, len(done), advance)
        from intaglio.images.film_join import join

        join(av, source, sorted(parts.glob("*.nut")), target, settings.first, settings.last)
        shutil.rmtree(parts)
    except (av.error.FFmpegError, IndexError) as error:
        raise ImageError(f"{source} cannot be enlarged into {target} ({first_line(error)}).") from error
    return FilmDone(
        frames,
        computed,
        min(frames, len(done) * settings.segment),
        encoder.width,
        encoder.height,
        encoder.pixels,
        encoder.name,
    )


def count_frames(source: Path, settings: FilmSettings) -> int:
    """Frames of a film by its header, 0 where that does not say. Raises: ImageError as `enlarge_film`."""
    av = pyav(source)
    try:
        with av.open(str(source)) as film:
            video = film.streams.video[0]
            total = video.frames or int((film.duration or 0) / 1e6 * float(video.average_rate or 0))
    except (av.error.FFmpegError, IndexError) as error:
        raise ImageError(f"{source} is no film, or is damaged ({first_line(error)}).") from error
    return max(0, min(total, settings.last or total) - settings.first)


class _Encoder:
    """What a film is encoded with: as its source, at another size."""

    def __init__(self, av: ModuleType, video: Any, target: Path, settings: FilmSettings) -> None:
        self._av, self._crf = av, settings.crf
        source = video.codec_context
        known = _ENCODERS.get(source.name, "libx264")
        self.name = _WEBM if target.suffix.lower() == ".webm" else known
        offered = [one.name for one in av.Codec(self.name, "w").video_formats]
        deep = any(part.bits > 8 for part in video.format.components)
        fallback = "yuv420p10le" if deep and "yuv420p10le" in offered else "yuv420p"
        self.pixels = source.pix_fmt if source.pix_fmt in offered else fallback
        self.deep = deep
        self.height = self.width = 0
        self._tags = {name: getattr(source, name) for name in _TAGS}
        self._base, self._rate, self._aspect = video.time_base, video.average_rate, video.sample_aspect_ratio
        self.matrix = _MATRICES.get(int(source.colorspace), 5)
        self.full = int(source.color_range) == 2

    def open(self, path: Path, height: int, width: int) -> tuple[Any, Any]:
        """A file for one segment and its stream. Even sides: what chroma at half size needs."""
        self.height, self.width = height, width
        out = self._av.open(str(path), "w", format="nut")
        stream = out.add_stream(self.name, rate=self._rate or 25, options={"crf": str(self._crf), "preset": "medium"})
        stream.width, stream.height, stream.pix_fmt = width, height, self.pixels
        context = stream.codec_context
        context.time_base, context.max_b_frames = self._base, 0  # without B-frames, segments join in any container
        for name, value in self._tags.items():
            setattr(context, name, value)
        if self._aspect:
            context.sample_aspect_ratio = self._aspect
        return out, stream

    def frame(self, samples: Shaped[np.ndarray, "h w 3"], pts: int) -> Any:
        """A frame of the encoder's kind."""
        rgb = self._av.VideoFrame.from_ndarray(samples, format="rgb48le" if samples.itemsize == 2 else "rgb24")
        frame = rgb.reformat(format=self.pixels, dst_colorspace=self.matrix, dst_color_range=2 if self.full else 1)
        frame.pts, frame.time_base = pts, self._base
        return frame

    def picture(self, frame: Any) -> Picture:
        """A decoded frame as a picture, upright."""
        rgb = frame.reformat(
            format="rgb48le" if self.deep else "rgb24",
            src_colorspace=self.matrix,
            src_color_range=2 if self.full else 1,
        ).to_ndarray()
        rgb = np.rot90(rgb, round(frame.rotation / 90) % 4)  # as the display matrix asks; the result needs none
        return Picture(np.ascontiguousarray(rgb), 16 if self.deep else 8)


_TAGS = ("color_primaries", "color_trc", "colorspace", "color_range")


def _parts(source: Path, target: Path, settings: FilmSettings, label: str) -> Path:
    """The folder of segments; emptied where it is of another film, model or settings."""
    folder = target.with_name(f".{target.name[:64]}.parts")
    stat = source.stat()
    told = {"film": [str(source.resolve()), stat.st_size, stat.st_mtime_ns], "model": label, **asdict(settings)}
    identity = hashlib.sha256(json.dumps(told, default=str, sort_keys=True).encode()).hexdigest()
    note = folder / "made-of"
    if not note.is_file() or note.read_text(encoding="utf-8") != identity:
        shutil.rmtree(folder, ignore_errors=True)
        make_folder(folder)
        write_text_atomic(note, identity)
    for left in folder.glob("*.half"):
        left.unlink()
    return folder


def _run(
    av: ModuleType, source: Path, parts: Path, network: Network, settings: FilmSettings, encoder: _Encoder,
    done: int, advance: Callable[[str], None],
) -> tuple[int, int]:  # fmt: skip
    """Decode, enlarge and encode what is missing; the numbers of frames in all and of frames computed."""
    stage, counts = _Stage(), [0, 0]

    def decode() -> None:
        for index, frame in _decoded(av, source, settings):
            skip = index < done * settings.segment
            _put(stage, stage.frames, (index, None if skip else encoder.picture(frame), frame.pts))
        _put(stage, stage.frames, None)

    def encode() -> None:
        _encode(stage, parts, settings.segment, encoder)

    threads = [Thread(target=_guarded, args=(stage, work), name=f"film-{work.__name__}") for work in (decode, encode)]
    for thread in threads:
        thread.start()
    try:
        _compute(stage, network, settings, advance, counts)
    except BaseException:
        stage.stop.set()
        raise
    finally:
        for thread in threads:
            thread.join()
    if stage.failed:
        raise stage.failed[0]
    return counts[0], counts[1]


def _compute(
    stage: _Stage, network: Network, settings: FilmSettings, advance: Callable[[str], None], counts: list[int]
) -> None:
    before: tuple[Picture, Any] | None = None
    while (item := _get(stage, stage.frames)) is not None:
        index, picture, pts = item
        counts[0] += 1
        if picture is not None:
            if before is None or not np.array_equal(before[0].samples, picture.samples):
                before = picture, enlarge(picture, network, alpha=AlphaWay.DISCARD, size=settings.size).samples
                counts[1] += 1
            _put(stage, stage.large, (index, _even(before[1]), pts))
        advance("")
    _put(stage, stage.large, None)


def _encode(stage: _Stage, parts: Path, segment: int, encoder: _Encoder) -> None:
    out: Any = None
    stream: Any = None
    half = parts / "none"
    while True:
        item = _get(stage, stage.large)
        if out is not None and (item is None or item[0] % segment == 0):
            for packet in stream.encode(None):
                out.mux(packet)
            out.close()
            half.rename(half.with_suffix(".nut"))
            out = None
        if item is None:
            return
        index, samples, pts = item
        if out is None:
            half = parts / f"{index // segment:06d}.half"
            out, stream = encoder.open(half, *samples.shape[:2])
        for packet in stream.encode(encoder.frame(samples, pts)):
            out.mux(packet)


def _decoded(av: ModuleType, source: Path, settings: FilmSettings) -> Iterator[tuple[int, Any]]:
    """The frames asked for, counted from 0."""
    with av.open(str(source)) as film:
        video = film.streams.video[0]
        video.thread_type = "AUTO"
        for index, frame in enumerate(film.decode(video)):
            if settings.last is not None and index >= settings.last:
                return
            if index >= settings.first:
                yield index - settings.first, frame


def _even(samples: Shaped[np.ndarray, "h w 3"]) -> Shaped[np.ndarray, "H W 3"]:
    """Without the last row or column where a side is odd."""
    return np.ascontiguousarray(samples[: samples.shape[0] & ~1, : samples.shape[1] & ~1])


class _StoppedError(Exception):
    """Another thread has failed."""


def _guarded(stage: _Stage, work: Callable[[], None]) -> None:
    try:
        work()
    except _StoppedError:
        pass
    except BaseException as error:
        stage.failed.append(error)
        stage.stop.set()


def _put(stage: _Stage, queue: Queue[Any], item: Any) -> None:
    while not stage.stop.is_set():
        try:
            return queue.put(item, timeout=0.2)
        except Full:
            continue
    raise _StoppedError


def _get(stage: _Stage, queue: Queue[Any]) -> Any:
    while not stage.stop.is_set():
        try:
            return queue.get(timeout=0.2)
        except Empty:
            continue
    raise _StoppedError
