"""The published cost convention against the papers' figures; refusal of counts that make no sense."""

from __future__ import annotations

import pytest

from intaglio.errors import SpecError
from intaglio.evaluate import compression_ratio, speedup_ratio, storage_ratio

QUANTIZED = 24 * 28_800


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [(897_228, (3.068, 3.313, 3.600)), (885_867, (3.152, 3.414, 3.724)), (877_752, (3.216, 3.492, 3.820))],
)
def test_compression_of_swinir_light(parameters: int, expected: tuple[float, ...]) -> None:
    assert tuple(round(compression_ratio(parameters, QUANTIZED, bits), 3) for bits in (4, 3, 2)) == expected


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [(897_228, (2.855, 3.058, 3.292)), (885_867, (2.922, 3.138, 3.388)), (877_752, (2.973, 3.199, 3.462))],
)
def test_corrected_storage_of_swinir_light(parameters: int, expected: tuple[float, ...]) -> None:
    ratios = (storage_ratio(parameters + 32_400, QUANTIZED, bits, bounds=768) for bits in (4, 3, 2))
    assert tuple(round(ratio, 3) for ratio in ratios) == expected


def test_nothing_quantized_costs_the_same() -> None:
    assert compression_ratio(100, 0, 2) == 1.0
    assert speedup_ratio(0, 7.0, 2) == 1.0


@pytest.mark.parametrize(("parameters", "quantized", "bits"), [(10, 11, 4), (0, 0, 4), (10, -1, 4), (10, 5, 9)])
def test_impossible_counts(parameters: int, quantized: int, bits: int) -> None:
    with pytest.raises(SpecError):
        compression_ratio(parameters, quantized, bits)


@pytest.mark.parametrize(("quantized", "other"), [(0, 0), (-1, 2), (2, -1)])
def test_impossible_multiply_adds(quantized: float, other: float) -> None:
    with pytest.raises(SpecError, match="count at least one"):
        speedup_ratio(quantized, other, 4)
