"""EXIF data between files: taken out of a TIFF's directory, and put into the directory of a finished TIFF."""

from __future__ import annotations

import struct
from collections.abc import MutableMapping
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


def add_exif(tiff: bytes, exif: bytes) -> bytes:
    """A little-endian TIFF file of one page, with what `exif` says of the picture in its directory.

    What is new and a directory of old and new entries go behind everything else; strips stay where they are.
    """
    found, added = Image.Exif(), TiffImagePlugin.ImageFileDirectory_v2(b"II*\0\0\0\0\0")
    found.load(EXIF_HEADER + exif)
    _copy(found, added)
    place = len(tiff) + len(tiff) % 2
    whole = tiff.ljust(place, b"\0") + bytes(added.tobytes(place))
    whole += b"\0" * (len(whole) % 2)
    (old,) = struct.unpack_from("<I", tiff, 4)
    entries = sorted({**_entries(whole, old), **_entries(whole, place)}.items())
    directory = struct.pack("<H", len(entries)) + b"".join(entry for _, entry in entries) + bytes(4)
    return whole[:4] + struct.pack("<I", len(whole)) + whole[8:] + directory


def _entries(tiff: bytes, start: int) -> dict[int, bytes]:
    """The entries of the directory at `start`, twelve bytes each, by tag."""
    (count,) = struct.unpack_from("<H", tiff, start)
    entries = (tiff[place : place + 12] for place in range(start + 2, start + 2 + 12 * count, 12))
    return {struct.unpack("<H", entry[:2])[0]: entry for entry in entries}


def _copy(source: Image.Exif, target: MutableMapping[int, Any]) -> None:
    for tag in _TEXTS:
        if tag in source:
            target[tag] = source[tag]
    for tag in _SUB_DIRECTORIES:
        if directory := source.get_ifd(tag):
            target[tag] = dict(directory)
