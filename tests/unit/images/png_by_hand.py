"""PNG files of every colour type and depth, interlaced or not, written from the specification alone.

An oracle for readers: nothing of it comes from a library that the package reads with. Filter 0 on every row.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np

GRAY, RGB, PALETTE, GRAY_ALPHA, RGBA = 0, 2, 3, 4, 6
_ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))


def chunk(kind: bytes, body: bytes) -> bytes:
    """Length, name, body, checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def rows(codes: np.ndarray, bits: int) -> bytes:
    """Rows of codes (h, w, c), packed to `bits` each, a filter byte of 0 before every row."""
    out = []
    for row in codes:
        flat = row.reshape(-1)
        if bits == 16:
            packed = flat.astype(">u2").tobytes()
        elif bits == 8:
            packed = flat.astype(np.uint8).tobytes()
        else:
            digits = (flat[:, None] >> np.arange(bits - 1, -1, -1)) & 1
            packed = np.packbits(digits.astype(np.uint8).reshape(-1)).tobytes()
        out.append(b"\0" + packed)
    return b"".join(out)


def png(codes: np.ndarray, bits: int, colour_type: int, *, interlaced: bool = False, **chunks: bytes) -> bytes:
    """A file of codes (h, w, c); `chunks` by name go before the samples."""
    height, width = codes.shape[:2]
    if interlaced:
        passes = [codes[y::dy, x::dx] for y, x, dy, dx in _ADAM7]
        data = b"".join(rows(one, bits) for one in passes if one.size)
    else:
        data = rows(codes, bits)
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, int(interlaced))
    extra = b"".join(chunk(name.encode(), body) for name, body in chunks.items())
    body = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def bomb(side: int) -> bytes:
    """A few bytes that claim to be a square of `side` pixels."""
    header = struct.pack(">IIBBBBB", side, side, 8, RGB, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
