"""Do outliers carry colour? Where they lie in the picture, and what clipping them does to luma and chroma."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from intaglio.analyze.placing import emptied, placed
from intaglio.errors import SpecError
from intaglio.observe import visit_sites
from intaglio.progress import Progress, Silent
from intaglio.quant import Quantizer, QuantModel, SiteInfo
from intaglio.quant.layers import QuantConv2d
from intaglio.spec import SiteName

YCBCR = (
    (65.481, 128.553, 24.966),
    (-37.797, -74.203, 112.0),
    (112.0, -93.786, -18.214),
)
"""BT.601, limited range: rows are Y, Cb and Cr in grey levels for R, G and B in [0, 1]."""


@dataclass(frozen=True)
class OutlierColour:
    """One activation site that lies on the pixel grid of the LR picture.

    `correlation` (Pearson, over pixels) between the share of outliers among a pixel's channels and the pixel's chroma;
    0 where either is constant. `luma` and `chroma`: root mean square change of Y, and of Cb and Cr together, in grey
    levels of the output, when this site alone is clipped to `lower` and `upper`, which leave the outliers out.
    """

    site: SiteName
    correlation: float
    lower: float
    upper: float
    luma: float
    chroma: float


class _Clip(Quantizer):
    def __init__(self, lower: float, upper: float) -> None:
        super().__init__()
        self.lower, self.upper = lower, upper

    def forward(self, x: Float[Tensor, ...]) -> Float[Tensor, ...]:
        """`x` within the bounds, not rounded."""
        return x.clamp(self.lower, self.upper)


def outlier_colour(
    model: QuantModel, patches: Float[Tensor, "n 3 h w"], *, outliers: float = 1.0, progress: Progress | None = None
) -> tuple[OutlierColour, ...]:
    """For every site on the pixel grid: do its outliers sit on colourful pixels, and does clipping them shift colour?

    Outliers are the `outliers` percent of the values farthest out, half of them at each end. Sites in windows, heads or
    another resolution are passed over. Quantizers of `model` do not matter. Cost: two float passes, and one for each
    site. Sides of the patches must be multiples of the network's window, or no site will fit.

    Shapes: patches (N, 3, H, W) in [0, 1]. Source: OAQ (ICCV 2025), after its observation that clipping 1 % of the
    outliers shifts colours; the measures are ours.
    Raises: SpecError for a share outside 0 to 100 percent, exclusive.
    """
    if not 0.0 < outliers < 100.0:
        raise SpecError(f"{outliers} % outliers were asked for; choose more than 0 and less than 100.")
    bare = emptied(model)
    found = visit_sites(bare, patches, lambda site, x: _where(bare, site, x, patches, outliers))
    sites = {name: entry for name, entry in found.items() if entry is not None}
    rows = []
    with torch.inference_mode(), (progress or Silent()).stage("clipping", len(sites)) as advance:
        reference = bare(patches)
        for name, (correlation, lower, upper) in sites.items():
            with placed(bare, name, _Clip(lower, upper)):
                luma, chroma = _changes(bare(patches) - reference)
            rows.append(OutlierColour(name, correlation, lower, upper, luma, chroma))
            advance(f"chroma {chroma:.2f}")
    return tuple(rows)


def _where(
    model: QuantModel, site: SiteInfo, x: Tensor, patches: Tensor, outliers: float
) -> tuple[float, float, float] | None:
    """Correlation and the two bounds, or None for a tensor that does not lie on the pixel grid."""
    if site.is_weight:
        return None
    values = _on_pixels(model, site, x, patches.shape)
    if values is None:
        return None
    lower, upper = np.quantile(values.cpu().numpy(), (outliers / 200.0, 1.0 - outliers / 200.0)).tolist()
    share = ((values < lower) | (values > upper)).double().mean(1)
    _, blue, red = _ycbcr(patches)
    return _correlation(share, (blue.square() + red.square()).sqrt()), lower, upper


def _on_pixels(model: QuantModel, site: SiteInfo, x: Tensor, shape: torch.Size) -> Float[Tensor, "n c h w"] | None:
    layer = model.layer(site)
    if isinstance(layer, QuantConv2d):
        left, right, top, bottom = layer.margins
        x = x[..., top : x.shape[-2] - bottom, left : x.shape[-1] - right]
    elif x.dim() == 4:
        x = x.permute(0, 3, 1, 2)
    fits = x.dim() == 4 and x.shape[0] == shape[0] and x.shape[2:] == shape[2:]
    return x.float() if fits else None


def _ycbcr(rgb: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "3 n h w"]:
    """Y, Cb and Cr without their offsets, in grey levels."""
    return torch.einsum("kc,nchw->knhw", torch.tensor(YCBCR, dtype=torch.float64).to(rgb.device), rgb.double())


def _correlation(a: Float[Tensor, "n h w"], b: Float[Tensor, "n h w"]) -> float:
    a, b = a.flatten() - a.mean(), b.flatten() - b.mean()
    scale = float(a.norm() * b.norm())
    return float(a @ b) / scale if scale > 0.0 else 0.0


def _changes(difference: Float[Tensor, "n 3 H W"]) -> tuple[float, float]:
    squares = _ycbcr(difference).square().mean((1, 2, 3))
    return float(squares[0].sqrt()), float((squares[1] + squares[2]).sqrt())
