"""What a network costs and what quantization saves: operations, parameters, ratios, by truth and by the papers' way.

Counting is in `counts.py`, the published convention in `published.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from intaglio.analyze.counts import Operations, Parameters, count_operations, count_parameters
from intaglio.analyze.published import published_operations, published_parameters
from intaglio.evaluate import compression_ratio, speedup_ratio, storage_ratio
from intaglio.quant.policy import covered, sites_of
from intaglio.spec import MIN_BITS, Coverage, QuantSpec


@dataclass(frozen=True)
class Ratios:
    """What a width buys on paper: `compression` and `speedup` by the published convention (None where none is known
    for the network), `storage` with everything that is really stored."""

    bits: int
    storage: float
    compression: float | None
    speedup: float | None


@dataclass(frozen=True)
class Cost:
    """Counts of a network on an LR picture of `height` x `width` pixels, as they are and as the papers count."""

    height: int
    width: int
    coverage: Coverage
    operations: Operations
    parameters: Parameters
    published_operations: Operations | None
    published_parameters: int | None
    quantized_parameters: int
    ratios: tuple[Ratios, ...]


def cost(
    network: nn.Module,
    height: int,
    width: int,
    *,
    coverage: Coverage = Coverage.PAPER,
    bits: tuple[int, ...] = (4, 3, 2),
) -> Cost:
    """Operations, parameters and what quantization saves of them, for an LR picture of `height` x `width` pixels.

    Ratios by the published convention exist for SwinIR in its light form under paper coverage; measured bytes and
    milliseconds depend on the engine. In `storage` the two ends of full coverage count as if they had the same
    width. Source: 2DQuant, table 2. Raises: SpecError if the coverage quantizes nothing.
    """
    operations, parameters = count_operations(network, height, width), count_parameters(network)
    quantized, bounds = _quantized(network, coverage)
    published = published_operations(network, height, width) if coverage is Coverage.PAPER else None
    stored = published_parameters(network) if published else None
    rows = []
    for width_in_bits in bits:
        storage = storage_ratio(parameters.total, quantized, width_in_bits, bounds=bounds)
        compression = speedup = None
        if published and stored is not None:
            compression = compression_ratio(stored, quantized, width_in_bits)
            others = published.convolution + published.other
            speedup = speedup_ratio(published.linear + published.product, others, width_in_bits)
        rows.append(Ratios(width_in_bits, storage, compression, speedup))
    return Cost(height, width, coverage, operations, parameters, published, stored, quantized, tuple(rows))


def _quantized(network: nn.Module, coverage: Coverage) -> tuple[int, int]:
    """Weights that are quantized, and float32 bounds that are stored for all sites: two each."""
    modules = list(covered(network, coverage))
    weights = sum(getattr(module, "weight", torch.empty(0)).numel() for _, module in modules)
    spec = QuantSpec(MIN_BITS, MIN_BITS, coverage)
    return weights, 2 * sum(len(list(sites_of(path, module, spec, ()))) for path, module in modules)
