"""Packing codes of 2 to 8 bits into bytes, without a gap between codes. Shapes, grids and files are not known here.

One stream of bits, little-endian: bit j of code i is bit ``i * bits + j`` of the stream, and bit p of the stream is
bit ``p % 8`` of byte ``p // 8``. Codes a, b, c, ... with bit 0 written a0, high bits at the left::

    2 bits   byte 0: d1 d0 c1 c0 b1 b0 a1 a0
    3 bits   byte 0: c1 c0 b2 b1 b0 a2 a1 a0   byte 1: f0 e2 e1 e0 d2 d1 d0 c2   byte 2: h2 h1 h0 g2 g1 g0 f2 f1
    4 bits   byte 0: b3 b2 b1 b0 a3 a2 a1 a0
    5 bits   byte 0: b2 b1 b0 a4 a3 a2 a1 a0   byte 1: d0 c4 c3 c2 c1 c0 b4 b3   byte 2: e3 e2 e1 e0 d4 d3 d2 d1
             byte 3: g1 g0 f4 f3 f2 f1 f0 e4   byte 4: h4 h3 h2 h1 h0 g4 g3 g2
    6 bits   byte 0: b1 b0 a5 a4 a3 a2 a1 a0   byte 1: c3 c2 c1 c0 b5 b4 b3 b2   byte 2: d5 d4 d3 d2 d1 d0 c5 c4
    7 bits   byte 0: b0 a6 a5 a4 a3 a2 a1 a0   byte 1: c1 c0 b6 b5 b4 b3 b2 b1   byte 2: d2 d1 d0 c6 c5 c4 c3 c2  ...
    8 bits   byte 0: a7 a6 a5 a4 a3 a2 a1 a0

Eight codes take `bits` bytes at every width. Bits of the last byte behind the last code are zero.
"""

from __future__ import annotations

import numpy as np

from intaglio._shapes import UInt8
from intaglio.packed.errors import CodeRangeError, PaddingBitsError, TensorShapeError
from intaglio.spec import check_bits


def packed_size(count: int, bits: int) -> int:
    """Bytes that `count` codes of `bits` bits take: ``ceil(count * bits / 8)``.

    >>> packed_size(3, bits=3)
    2
    """
    return (count * check_bits(bits) + 7) // 8


def pack(codes: UInt8[np.ndarray, " codes"], bits: int) -> UInt8[np.ndarray, " bytes"]:
    """Pack codes, one a byte, into a little-endian bit stream; unused bits of the last byte are zero.

    Shapes: (n,) to (ceil(n * bits / 8),). Raises: SpecError for a width outside 2-8; CodeRangeError if a code needs
    more than `bits` bits (remedy: clamp the codes, or store them wider).

    >>> pack(np.array([1, 2, 3], dtype=np.uint8), bits=4).tolist()
    [33, 3]
    """
    check_bits(bits)
    if codes.size and int(codes.max()) >> bits:
        raise CodeRangeError(
            f"code {int(codes.max())} does not fit in {bits} bits; clamp the codes or store them wider."
        )
    return np.packbits(np.unpackbits(codes[:, None], axis=1, count=bits, bitorder="little"), bitorder="little")


def unpack(data: UInt8[np.ndarray, " bytes"], count: int, bits: int) -> UInt8[np.ndarray, " codes"]:
    """The `count` codes of a packed stream, one a byte: the inverse of `pack`.

    Shapes: (ceil(count * bits / 8),) to (count,). Raises: SpecError for a width outside 2-8; TensorShapeError if the
    number of bytes is not exact; PaddingBitsError if a bit behind the last code is set (remedy: fetch the file again).

    >>> unpack(np.array([33, 3], dtype=np.uint8), count=3, bits=4).tolist()
    [1, 2, 3]
    """
    expected = packed_size(count, bits)
    if count < 0 or data.size != expected:
        raise TensorShapeError(
            f"{data.size} bytes hold packed codes, but {count} of {bits} bits take {expected}; the file is damaged, "
            "fetch it again or quantize anew."
        )
    used = count * bits % 8
    if used and int(data[-1]) >> used:
        raise PaddingBitsError("bits behind the last code are set; the file is damaged, fetch it again.")
    stream = np.unpackbits(data, count=count * bits, bitorder="little").reshape(count, bits)
    codes = stream[:, 0].copy()
    for place in range(1, bits):  # one pass a bit: `packbits` along so short an axis takes five times as long
        codes |= stream[:, place] << place
    return codes
