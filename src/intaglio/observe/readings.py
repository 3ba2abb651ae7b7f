"""What a float network shows at every site: the distribution, what is clipped, what quantizing it alone does.

For reports; bounds are not searched here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from intaglio.observe.collect import visit_sites
from intaglio.progress import Progress, Silent
from intaglio.quant import QuantModel, SiteInfo, wrap
from intaglio.quant.lattice import GridQuantizer
from intaglio.quant.quantizers import Unset
from intaglio.spec import Bounds, Grid, QuantSpec, SiteName, SiteReading

BINS = 96


def read_sites(
    network: nn.Module,
    spec: QuantSpec,
    grids: Mapping[SiteName, tuple[Grid, ...]],
    patch: Float[Tensor, "1 3 h w"],
    *,
    progress: Progress | None = None,
) -> tuple[SiteReading, ...]:
    """Read every site of `network` that has grids, on one patch in [0, 1]; one forward pass a site, and two more.

    The network is left as it is. Sites without grids (of another coverage) are passed over.
    Source: sensitivity by quantizing one site at a time, as in mixed-precision work since HAWQ; ours in dB of output.
    """
    model = wrap(network, spec)
    tensors = visit_sites(model, patch, lambda site, tensor: _histogram(grids.get(site.name, ()), tensor))
    known = [site for site in model.sites.values() if site.name in grids and site.name in tensors]
    readings = []
    with torch.inference_mode(), (progress or Silent()).stage("sites", len(known)) as advance:
        clean = model(patch)
        for site in known:
            counts, low, high, clipped = tensors[site.name]
            alone = _alone(model, site, grids[site.name], patch, clean)
            readings.append(SiteReading(site.name, tuple(counts.tolist()), low, high, clipped, alone))
            advance("")
    return tuple(readings)


def _alone(model: QuantModel, site: SiteInfo, grids: tuple[Grid, ...], patch: Tensor, clean: Tensor) -> float:
    """PSNR in dB with one site quantized; the site is unset again."""
    if grids[0].pieces:
        model.set_quantizer(site.name, GridQuantizer(grids[0]))
    else:
        bounds = [Bounds(grid.lower, grid.upper) for grid in grids]
        model.set_bounds(site.name, bounds[0] if len(bounds) == 1 else bounds)
    try:
        mse = float(torch.mean((model(patch) - clean).double() ** 2))
    finally:
        model.set_quantizer(site.name, Unset())
    return 10 * math.log10(1 / mse) if mse > 0 else math.inf


def _histogram(grids: tuple[Grid, ...], tensor: Tensor) -> tuple[np.ndarray, float, float, float]:
    """Counts, their ends, and the share of values outside the bounds (of each channel where there are several)."""
    values = tensor.detach().cpu().float()
    low, high = float(values.min()), float(values.max())
    if high <= low:
        low, high = low - 0.5, high + 0.5
    counts, _ = np.histogram(values.numpy(), bins=BINS, range=(low, high))
    clipped = 0.0
    if grids:
        shape = (-1,) + (1,) * (values.dim() - 1) if len(grids) > 1 else ()
        lower = torch.tensor([grid.lower for grid in grids]).reshape(shape)
        upper = torch.tensor([grid.upper for grid in grids]).reshape(shape)
        clipped = float(((values < lower) | (values > upper)).double().mean())
    return counts.astype(np.int64), low, high, clipped
