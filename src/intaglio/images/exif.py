"""EXIF data between files: taken out of a TIFF's directory, and put into the directory of a finished TIFF."""

from __future__ import annotations

import struct
from collections.abc import MutableMapping
from io import BufferedIOBase
from typing import Any

from PIL import Image, TiffImagePlugin

EXIF_HEADER = b"Exif\x00\x00"
"""What JPEG and PNG readers put before EXIF data; `Metadata.exif` is without."""

TIFF_XMP = 700
"""The tag of a TIFF directory that holds an XMP packet."""

_TEXTS = (0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x8298)  # description, make, model, software, date, artist, ©
_SUB_DIRECTORIES = (0x8769, 0x8825)  # Exif, GPS


def tiff_exif(opened: Image.Image) -> bytes | None:
    """What a TIFF says of its picture, as EXIF data of their own; None where it says nothing.

    A TIFF's directory describes strips and compression as well; those stay behind.
    """
    kept = Image.Exif()
    _copy(opened.getexif(), kept)
    return kept.tobytes().removeprefix(EXIF_HEADER) if len(kept) else None


def tiff_directory(exif: bytes | None, xmp: bytes | None) -> Image.Exif:
    """What Pillow has to add to the directory of a TIFF that it writes."""
    directory = Image.Exif()
    if exif is not None:
        found = Image.Exif()
        found.load(EXIF_HEADER + exif)
        _copy(found, directory)
    if xmp is not None:
        directory[TIFF_XMP] = xmp
    return directory


def add_exif(tiff: BufferedIOBase, exif: bytes) -> None:
    """Put what `exif` says of the picture into the directory of a little-endian TIFF file of one page.

    What is new and a directory of old and new entries go behind everything else; strips stay where they are. A
    BigTIFF (above 4 GiB) is left as it is.
    """
    tiff.seek(0)
    magic, start = struct.unpack("<4sI", tiff.read(8))
    if magic != b"II*\0":
        return
    found, added = Image.Exif(), TiffImagePlugin.ImageFileDirectory_v2(b"II*\0\0\0\0\0")
    found.load(EXIF_HEADER + exif)
    _copy(found, added)
    old = _entries(tiff, start)
    place = tiff.seek(0, 2)
    tiff.write(b"\0" * (place % 2))
    place += place % 2
    body = bytes(added.tobytes(place))
    tiff.write(body + b"\0" * (len(body) % 2))
    entries = sorted({**old, **_entries(tiff, place)}.items())
    start = tiff.seek(0, 2)
    tiff.write(struct.pack("<H", len(entries)) + b"".join(entry for _, entry in entries) + bytes(4))
    tiff.seek(4)
    tiff.write(struct.pack("<I", start))


def _entries(tiff: BufferedIOBase, start: int) -> dict[int, bytes]:
    """The entries of the directory at `start`, twelve bytes each, by tag."""
    tiff.seek(start)
    (count,) = struct.unpack("<H", tiff.read(2))
    entries = (tiff.read(12) for _ in range(count))
    return {struct.unpack("<H", entry[:2])[0]: entry for entry in entries}


def _copy(source: Image.Exif, target: MutableMapping[int, Any]) -> None:
    for tag in _TEXTS:
        if tag in source:
            target[tag] = source[tag]
    for tag in _SUB_DIRECTORIES:
        if directory := source.get_ifd(tag):
            target[tag] = dict(directory)
