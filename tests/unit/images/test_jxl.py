"""The header of JPEG XL: size and depth before anything is decoded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intaglio.errors import ImageError
from intaglio.images import Picture, read_picture
from intaglio.images.jxl import JxlHeader, read_jxl_header
from intaglio.images.writing import encode

DEPTHS = {8: 0, 10: 1, 12: 2}


def codestream(height: int, width: int, bits: int) -> bytes:
    """A header written bit by bit: the long form of both sides, the depth spelled out."""
    fields = [(0, 1), (3, 2), (height - 1, 30), (0, 3), (3, 2), (width - 1, 30)]
    fields += [(0, 1), (0, 1), (0, 1), *([(DEPTHS[bits], 2)] if bits in DEPTHS else [(3, 2), (bits - 1, 6)])]
    value, place = 0, 0
    for number, count in fields:
        value |= number << place
        place += count
    return b"\xff\x0a" + value.to_bytes(40, "little")


@given(st.integers(1, 1 << 30), st.integers(1, 1 << 30), st.sampled_from([8, 10, 12, 16]))
def test_a_header_by_hand(height: int, width: int, bits: int) -> None:
    assert read_jxl_header(codestream(height, width, bits)) == JxlHeader(width, height, bits)


@pytest.mark.parametrize("size", [(1, 1), (7, 9), (32, 32), (64, 128), (270, 480), (300, 257), (8, 600)])
def test_the_header_of_an_encoder(size: tuple[int, int]) -> None:
    data = encode(Picture(np.zeros((*size, 3), np.uint8)), "a.jxl")
    assert read_jxl_header(data) == JxlHeader(size[1], size[0], 8)


@given(st.binary(max_size=60))
def test_any_bytes_have_a_header_or_none(data: bytes) -> None:
    for start in (b"", b"\xff\x0a", b"\x00\x00\x00\x0cJXL \r\n\x87\n"):
        found = read_jxl_header(start + data)
        assert found is None or found.width > 0


@pytest.mark.parametrize(("data", "reason"), [
    (codestream(1 << 20, 1 << 20, 8), "exceeds the limit"),
    (codestream(5, 7, 16), "16 bits"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n" + bytes(30), "no codestream"),
    (codestream(5, 7, 8), "damaged"),
])  # fmt: skip
def test_refused_before_it_is_decoded(tmp_path: Path, data: bytes, reason: str) -> None:
    (tmp_path / "a.jxl").write_bytes(data)
    with pytest.raises(ImageError, match=reason):
        read_picture(tmp_path / "a.jxl")
