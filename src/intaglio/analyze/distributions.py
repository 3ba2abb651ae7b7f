"""What every site holds in the float network, as a histogram, and where its bounds lie in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int
from torch import Tensor

from intaglio.analyze.placing import emptied
from intaglio.observe import visit_sites
from intaglio.quant import QuantModel, SiteInfo
from intaglio.spec import SiteName

BINS = 128


@dataclass(frozen=True)
class SiteDistribution:
    """One site. Units: those of its tensor.

    `bounds` has one (lower, upper) pair, one for each channel, or none where the quantizer is not affine. `clipped` is
    the share of values outside the outermost bounds. `counts` are of equal bins from `low` to `high`.
    """

    site: SiteName
    weight: bool
    bits: int
    values: int
    low: float
    high: float
    mean: float
    deviation: float
    bounds: tuple[tuple[float, float], ...]
    clipped: float
    counts: tuple[int, ...]


def float_values(
    model: QuantModel, patches: Float[Tensor, "n c h w"], see: Callable[[SiteInfo, Float32[np.ndarray, " n"]], None]
) -> None:
    """Show `see` the values of every site, flat, with no site quantized: one pass, nothing is kept."""

    def visit(site: SiteInfo, tensor: Tensor) -> None:
        see(site, tensor.detach().float().contiguous().cpu().numpy().ravel())

    visit_sites(emptied(model), patches, visit)


def bounds_of(model: QuantModel, site: SiteName) -> tuple[tuple[float, float], ...]:
    """The (lower, upper) pairs at a site: one, one for each channel, or none where the quantizer is not affine."""
    quantizer = model.affine().get(site)
    if quantizer is None:
        return ()
    # The learned numbers, not the grid's last level, which may lie a rounding below its bound.
    lower, upper = (bound.detach().flatten().tolist() for bound in (quantizer.lower, quantizer.upper))
    return tuple(zip(lower, upper, strict=True))


def site_distributions(
    model: QuantModel, patches: Float[Tensor, "n c h w"], *, bins: int = BINS
) -> tuple[SiteDistribution, ...]:
    """The distribution of every site on some patches, with the bounds of a calibrated model marked.

    Activations are those of the unquantized network; weights as the method left them. In the order of ``model.sites``.

    Shapes: patches (N, C, H, W) in [0, 1]. Source: 2DQuant, figures 4 and 7-11.
    Raises: CalibrationError if the model is not calibrated (remedy: run a method first).
    """
    model.require_calibrated()
    found: dict[SiteName, SiteDistribution] = {}

    def see(site: SiteInfo, values: Float32[np.ndarray, " n"]) -> None:
        found[site.name] = _describe(site, values, bounds_of(model, site.name), bins)

    float_values(model, patches, see)
    return tuple(found[name] for name in model.sites)


def _describe(
    site: SiteInfo, values: Float32[np.ndarray, " n"], bounds: tuple[tuple[float, float], ...], bins: int
) -> SiteDistribution:
    low, high = float(values.min()), float(values.max())
    outside = 0
    if bounds:
        lower, upper = min(pair[0] for pair in bounds), max(pair[1] for pair in bounds)
        outside = int(np.count_nonzero((values < np.float32(lower)) | (values > np.float32(upper))))
    return SiteDistribution(
        site=site.name,
        weight=site.is_weight,
        bits=site.bits,
        values=values.size,
        low=low,
        high=high,
        mean=float(values.mean(dtype=np.float64)),
        deviation=float(values.std(dtype=np.float64)),
        bounds=bounds,
        clipped=outside / values.size,
        counts=tuple(_histogram(values, bins, low, high).tolist()),
    )


def _histogram(values: Float32[np.ndarray, " n"], bins: int, low: float, high: float) -> Int[np.ndarray, " bins"]:
    """Counts of equal bins; a tensor that is constant, or as good as that, lies in the first."""
    if high - low <= bins * float(np.spacing(np.float32(max(abs(low), abs(high))))):
        counts = np.zeros(bins, dtype=np.int64)
        counts[0] = values.size
        return counts
    return np.histogram(values, bins, (low, high))[0]
