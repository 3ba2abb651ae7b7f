"""Turning a picture upright by the orientation that its camera noted, and noting that this has been done."""

from __future__ import annotations

import re
import struct

import numpy as np

from intaglio._shapes import Shaped

_TAG = 0x0112
_SHORT = 3
_XMP = re.compile(rb"(tiff:Orientation(?:\s*=\s*[\"']|>)\s*)[2-8]")


def upright(samples: Shaped[np.ndarray, "h w *c"], orientation: int) -> Shaped[np.ndarray, "H W *c"]:
    """Samples as stored, turned and mirrored as EXIF's `orientation` (1 to 8; anything else means 1) asks.

    Source: EXIF 2.32, tag 0x0112: row 0 and column 0 of what is stored are which sides of what is seen.

    >>> upright(np.array([[1, 2, 3], [4, 5, 6]]), 6).tolist()
    [[4, 1], [5, 2], [6, 3]]
    """
    if orientation in (5, 6, 7, 8):
        samples = samples.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    return np.ascontiguousarray(samples)


def exif_orientation(exif: bytes | None) -> int:
    """The orientation in EXIF data that start at their TIFF header; 1 where there is none."""
    place = _place(exif)
    return 1 if exif is None or place is None else int(struct.unpack_from(place[1] + "H", exif, place[0])[0])


def exif_upright(exif: bytes | None) -> bytes | None:
    """The same EXIF data with an orientation of 1, all else byte for byte (maker notes depend on their place)."""
    place = _place(exif)
    if exif is None or place is None:
        return exif
    start, order = place
    return exif[:start] + struct.pack(order + "H", 1) + exif[start + 2 :]


def xmp_upright(xmp: bytes | None) -> bytes | None:
    """The same XMP packet with an orientation of 1.

    >>> xmp_upright(b'<d tiff:Orientation="6"/>')
    b'<d tiff:Orientation="1"/>'
    """
    return None if xmp is None else _XMP.sub(rb"\g<1>1", xmp)


def _place(exif: bytes | None) -> tuple[int, str] | None:
    """Where the orientation's value stands and in which byte order; None where it is absent or the data damaged."""
    if exif is None or len(exif) < 14 or exif[:2] not in (b"II", b"MM"):
        return None
    order = "<" if exif[:2] == b"II" else ">"
    (start,) = struct.unpack_from(order + "I", exif, 4)
    if start + 2 > len(exif):
        return None
    (count,) = struct.unpack_from(order + "H", exif, start)
    for entry in range(start + 2, min(start + 2 + 12 * count, len(exif) - 11), 12):
        tag, kind = struct.unpack_from(order + "HH", exif, entry)
        if tag == _TAG and kind == _SHORT:
            return entry + 8, order
    return None
