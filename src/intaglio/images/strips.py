"""Pictures larger than memory: rows stream in, strips of them pass through the network, rows stream out.

By libvips (extra ``pictures``). Pictures that fit are `batch.py`'s; meaning is `enlarging.py`, strip by strip.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from intaglio._atomic import atomic_write
from intaglio._shapes import Shaped
from intaglio.errors import ImageError
from intaglio.images.deep import saver, vips, with_metadata
from intaglio.images.enlarging import AlphaWay, Network, enlarge
from intaglio.images.exif import add_exif
from intaglio.images.files import first_line, require_size
from intaglio.images.picture import Metadata, Picture, with_bits
from intaglio.images.reading import read_header
from intaglio.images.writing import LOSSY_QUALITY, depth_for, format_of

STREAMED = ("PNG", "TIFF", "JPEG")
"""Formats that are read and written row by row."""

HALO = 32
"""Rows above and below a strip that the network sees too, where its receptive field has no useful bound."""

STRIP_PIXELS = 1 << 21
"""Pixels of a strip without its halo, about."""

_UNIT = 64  # strips begin at multiples of it, so that windows of 8, 16, 32 or 64 lie as in the whole picture
_KINDS = {"b-w": 8, "srgb": 8, "grey16": 16, "rgb16": 16}


@dataclass(frozen=True)
class Source:
    """A file whose rows can be read in order: its size, channels, depth and metadata."""

    path: Path
    height: int
    width: int
    channels: int
    bits: int
    metadata: Metadata


def streamable(path: Path, target: Path, max_pixels: int) -> Source | None:
    """What has to be known to stream `path`; None where it has to be read at once (another format, interlaced, turned,
    CMYK, several frames, or no libvips).

    Raises: ImageError when it has more than `max_pixels`.
    """
    header = read_header(path, max_pixels=max_pixels)
    if header is None or not {header.format, format_of(target)} <= set(STREAMED) or header.turned or header.interlaced:
        return None
    try:
        image = _sequential(vips(path), path)
    except ImageError:
        return None
    require_size(path, image.width, image.height, max_pixels)
    bits = _KINDS.get(image.interpretation)
    if bits is None or image.format != ("uchar" if bits == 8 else "ushort") or image.bands > 4:
        return None
    return Source(path, image.height, image.width, image.bands, bits, header.metadata)


def enlarge_strips(
    source: Source,
    target: Path,
    network: Network,
    *,
    alpha: AlphaWay = AlphaWay.NETWORK,
    halo: int = HALO,
    bits: int | None = None,
    quality: int | None = None,
    strip_pixels: int = STRIP_PIXELS,
) -> tuple[Picture, float]:
    """Enlarge `source` by the network's own factor into `target`, whole or not at all; memory stays that of strips.

    Equal to enlarging it at once where the network looks at most `halo` rows far. What was enlarged waits uncompressed
    beside `target` (in a hidden file that vanishes) until it is encoded.

    Returns: the last strip, which tells mode and depth, and the network's seconds.
    Raises: ImageError for a damaged file; OutputError when the disk is full; what the network raises.
    """
    module, form = vips(source.path), format_of(target)
    depth = bits or depth_for(form, source.bits)
    raw = target.with_name(f".{target.name[:64]}.{np.random.default_rng().bytes(4).hex()}.part")
    seconds, last = 0.0, None
    try:
        with raw.open("xb") as stream:
            for strip, keep in strips(module, source, halo, strip_pixels):
                began = time.perf_counter()
                large = enlarge(strip, network, alpha=alpha)
                seconds += time.perf_counter() - began
                kept = large.samples[keep.start * network.scale : keep.stop * network.scale]
                last = with_bits(Picture(kept, large.bits, form, source.metadata), depth)
                stream.write(np.ascontiguousarray(last.samples).data)
        assert last is not None  # a picture has rows
        size = source.height * network.scale, source.width * network.scale
        _encode(module, raw, size, last, target, quality or LOSSY_QUALITY)
    except module.Error as error:
        raise ImageError(f"{source.path} cannot be streamed ({first_line(error)}); is it damaged?") from error
    finally:
        raw.unlink(missing_ok=True)
    return last, seconds


def strips(module: ModuleType, source: Source, halo: int, pixels: int) -> Iterator[tuple[Picture, slice]]:
    """Strips of the picture with their halo, and which of their rows are to be kept; each row is read once."""
    image = _sequential(module, source.path)
    region = module.Region.new(image)
    rows = max(_UNIT, pixels // source.width // _UNIT * _UNIT)
    halo = -(-halo // _UNIT) * _UNIT
    have = np.empty((0, source.width, source.channels), np.uint8 if source.bits == 8 else np.uint16)
    first = 0  # the row of the picture that `have` begins with
    for start in range(0, source.height, rows):
        stop = min(start + rows, source.height)
        begin, end = max(0, start - halo), min(source.height, stop + halo)
        have, first = have[begin - first :], begin
        have = np.concatenate([have, _rows(region, source, first + len(have), end, have.dtype)])
        yield Picture(have, source.bits, "TIFF", source.metadata), slice(start - begin, stop - begin)


def _rows(region: Any, source: Source, start: int, stop: int, kind: np.dtype[Any]) -> Shaped[np.ndarray, "h w c"]:
    data = region.fetch(0, start, source.width, stop - start) if stop > start else b""
    return np.frombuffer(data, kind).reshape(-1, source.width, source.channels)


def _sequential(module: ModuleType, path: Path) -> Any:
    try:
        return module.Image.new_from_file(str(path), access="sequential", fail_on="error")
    except module.Error as error:
        raise ImageError(f"{path} is damaged or truncated ({first_line(error)}); fetch it again.") from error


def _encode(module: ModuleType, raw: Path, size: tuple[int, int], like: Picture, target: Path, quality: int) -> None:
    height, width = size
    bands, kind = like.samples.shape[2], "uchar" if like.bits == 8 else "ushort"
    deep = like.bits > 8
    space = ("rgb16" if deep else "srgb") if bands > 2 else ("grey16" if deep else "b-w")
    image = module.Image.rawload(str(raw), width, height, bands, format=kind, interpretation=space, access="sequential")
    name, options = saver(like, format_of(target), quality)
    if name == "tiffsave":
        options["bigtiff"] = raw.stat().st_size > 3 << 30  # of which compression may leave nothing below 4 GiB
    with atomic_write(target) as stream:
        sink = module.Target.new_to_descriptor(stream.fileno())
        getattr(with_metadata(module, image, like.metadata), f"{name}_target")(sink, **options)
        if name == "tiffsave" and like.metadata.exif is not None:
            with Path(stream.name).open("r+b") as again:
                add_exif(again, like.metadata.exif)
