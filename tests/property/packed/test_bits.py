"""Packing is lossless at every width, of exact size, and equal to a slow packer that moves one bit at a time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intaglio.errors import SpecError
from intaglio.packed.bits import pack, packed_size, unpack
from intaglio.packed.errors import CodeRangeError, PaddingBitsError, TensorShapeError
from intaglio.spec import MAX_BITS, MIN_BITS

WIDTHS = range(MIN_BITS, MAX_BITS + 1)


@st.composite
def coded(draw: st.DrawFn) -> tuple[np.ndarray, int]:
    bits = draw(st.sampled_from(WIDTHS))
    codes = draw(st.lists(st.integers(0, 2**bits - 1), max_size=40))
    return np.array(codes, dtype=np.uint8), bits


def slow_pack(codes: np.ndarray, bits: int) -> list[int]:
    """Bit j of code i goes to bit i * bits + j of the stream."""
    out = [0] * -(-len(codes) * bits // 8)
    for i, code in enumerate(codes.tolist()):
        for j in range(bits):
            place = i * bits + j
            out[place // 8] |= (code >> j & 1) << place % 8
    return out


@given(coded())
def test_unpack_inverts_pack(case: tuple[np.ndarray, int]) -> None:
    codes, bits = case
    assert np.array_equal(unpack(pack(codes, bits), codes.size, bits), codes)


@given(coded())
def test_pack_equals_the_slow_packer_and_has_its_exact_size(case: tuple[np.ndarray, int]) -> None:
    codes, bits = case
    packed = pack(codes, bits)
    assert packed.tolist() == slow_pack(codes, bits)
    assert packed.size == packed_size(codes.size, bits)


@given(coded(), st.integers(0, 7))
def test_a_set_bit_behind_the_last_code_is_refused(case: tuple[np.ndarray, int], place: int) -> None:
    codes, bits = case
    used = codes.size * bits % 8
    packed = pack(codes, bits)
    if used and place >= used:
        packed[-1] |= 1 << place
        with pytest.raises(PaddingBitsError, match="damaged"):
            unpack(packed, codes.size, bits)


@pytest.mark.parametrize("bits", WIDTHS)
def test_wrong_sizes_and_codes_are_refused(bits: int) -> None:
    packed = pack(np.zeros(9, dtype=np.uint8), bits)
    with pytest.raises(TensorShapeError):
        unpack(packed[:-1], 9, bits)
    if bits < MAX_BITS:
        with pytest.raises(CodeRangeError):
            pack(np.array([1 << bits], dtype=np.uint8), bits)


@pytest.mark.parametrize("bits", [0, 1, 9])
def test_other_widths_are_refused(bits: int) -> None:
    with pytest.raises(SpecError):
        pack(np.zeros(1, dtype=np.uint8), bits)
