"""Counts of operations and parameters: SwinIR-light against 2DQuant's table 2, others against shapes."""

from __future__ import annotations

import pytest
import torch

from intaglio.analyze import cost, count_operations, count_parameters, published_operations
from intaglio.arch import REGISTRY
from intaglio.arch.examples import random_network
from intaglio.arch.swinir import SwinIR, SwinIRConfig
from intaglio.quant import wrap
from intaglio.spec import Coverage, QuantSpec


def swinir_light(scale: int) -> torch.nn.Module:
    with torch.device("meta"):
        return SwinIR(SwinIRConfig(scale=scale))


def test_the_published_table_comes_out() -> None:
    found = cost(swinir_light(4), 128, 128)
    published = found.published_operations
    assert published is not None
    # Printed with two decimals, in G: linears and products 14.34, convolutions 2.33, other 0.07, all 16.74 (truncated).
    assert round((published.linear + published.product) / 1e9, 2) == 14.34
    assert round(published.convolution / 1e9, 2) == 2.33
    assert round(published.total / 1e9, 3) == 16.746
    shares = [published.paper_share, published.convolution / published.total, published.other / published.total]
    assert [round(100 * share, 2) for share in shares] == [85.66, 13.89, 0.45]
    assert [round(row.compression or 0, 2) for row in found.ratios] == [3.07, 3.31, 3.6]
    assert [round(row.speedup or 0, 3) for row in found.ratios] == [3.992, 4.47, 5.077]
    assert [round(row.storage, 3) for row in found.ratios] == [2.855, 3.058, 3.292]


@pytest.mark.parametrize(
    ("scale", "side", "stored", "giga"), [(2, 256, 877_752, 68.72), (3, 168, 885_867, 29.82), (4, 128, 897_228, 17.50)]
)
def test_true_counts_at_every_scale(scale: int, side: int, stored: int, giga: float) -> None:
    found = cost(swinir_light(scale), side, side)
    assert found.published_parameters == stored
    assert found.quantized_parameters == 691_200
    assert found.parameters.tables == 32_400
    # The figures of the cost model leave out the last norm: 60 for each pixel, less than half a unit of its last place.
    assert found.operations.total / 1e9 == pytest.approx(giga, abs=0.005 + 60 * side * side / 1e9)


@pytest.mark.parametrize("entry", REGISTRY, ids=lambda entry: entry.name)
def test_every_architecture_is_counted(entry: object) -> None:
    network = random_network(entry.name)  # type: ignore[attr-defined]
    small, large = count_operations(network, 16, 16), count_operations(network, 32, 32)
    assert small.total > 0
    assert large.convolution >= 3.5 * small.convolution - 4 * count_parameters(network).convolution
    parameters = count_parameters(network)
    assert parameters.total == sum(parameter.numel() for parameter in network.parameters())
    assert parameters.other >= 0
    found = cost(network, 16, 16, coverage=Coverage.FULL)
    spared = wrap(network, QuantSpec(8, 8, Coverage.FULL)).left_float
    left = sum(network.get_submodule(one.path).get_parameter("weight").numel() for one in spared)
    assert found.quantized_parameters == parameters.linear + parameters.convolution - left
    assert found.published_operations is None


def test_a_convolution_by_hand() -> None:
    layer = torch.nn.Conv2d(3, 5, 3, padding=1)
    assert count_operations(layer, 4, 6).convolution == 4 * 6 * 5 * 3 * 9


def test_no_convention_is_known_for_convolutional_networks() -> None:
    assert published_operations(random_network("EDSR"), 16, 16) is None
