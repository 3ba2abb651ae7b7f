"""The first bits of a JPEG XL file: its size and depth, which its decoder tells only after it has decoded all of it."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction

SIGNATURES = (b"\xff\x0a", b"\x00\x00\x00\x0cJXL \r\n\x87\n")
"""How a bare codestream and a container begin."""

_RATIOS = tuple(Fraction(*pair) for pair in ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1)))
_SIDE_BITS, _DEPTHS = (9, 13, 18, 30), (8, 10, 12)


@dataclass(frozen=True)
class JxlHeader:
    """Width and height as stored, bits of a sample (None where fields that are not read come before them)."""

    width: int
    height: int
    bits: int | None


def read_jxl_header(data: bytes) -> JxlHeader | None:
    """The header of the codestream in `data`; None where there is none.

    Source: ISO/IEC 18181-1, SizeHeader and ImageMetadata; bits are read from the lowest of each byte upwards.

    >>> read_jxl_header(bytes([0xFF, 0x0A, 0b01000111, 0b00000010]))
    JxlHeader(width=32, height=32, bits=8)
    """
    place = _codestream(data)
    if place is None:
        return None
    bits = _Bits(data[place + 2 : place + 34])
    small = bits.take(1)
    height = (bits.take(5) + 1) * 8 if small else _side(bits)
    ratio = bits.take(3)
    width = int(height * _RATIOS[ratio - 1]) if ratio else (bits.take(5) + 1) * 8 if small else _side(bits)
    return JxlHeader(width, height, _depth(bits))


class _Bits:
    def __init__(self, data: bytes) -> None:
        self._rest = int.from_bytes(data, "little")

    def take(self, count: int) -> int:
        value = self._rest & ((1 << count) - 1)
        self._rest >>= count
        return value


def _side(bits: _Bits) -> int:
    return 1 + bits.take(_SIDE_BITS[bits.take(2)])


def _depth(bits: _Bits) -> int | None:
    if bits.take(1):  # all fields at their defaults
        return 8
    if bits.take(1):  # orientation, and three parts that may follow
        bits.take(3)
        if bits.take(1) or bits.take(1) or bits.take(1):
            return None
    if bits.take(1):  # floating point
        return 32
    choice = bits.take(2)
    return _DEPTHS[choice] if choice < len(_DEPTHS) else 1 + bits.take(6)


def _codestream(data: bytes) -> int | None:
    """Where the codestream begins."""
    if data.startswith(SIGNATURES[0]):
        return 0
    place = 0
    while place + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, place)
        head = 8
        if size == 1 and place + 16 <= len(data):
            (size,), head = struct.unpack_from(">Q", data, place + 8), 16
        start = place + head + (4 if kind == b"jxlp" else 0)
        if kind in (b"jxlc", b"jxlp"):
            return start if data[start : start + 2] == SIGNATURES[0] else None
        if size < head:
            return None
        place += size
    return None
