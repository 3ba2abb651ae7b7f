"""Where bounds lie among the values that they clip, in percent: what distillation did to the bounds it started from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32
from torch import Tensor

from intaglio.analyze.distributions import bounds_of, float_values
from intaglio.errors import SpecError
from intaglio.quant import QuantModel, SiteInfo
from intaglio.spec import SiteName


@dataclass(frozen=True)
class BoundPercentiles:
    """Bounds of one site by one method. Units: `lower` and `upper` percent of the values that lie below each bound.

    A lower bound of 0 and an upper bound of 100 clip nothing. Per-channel bounds are averaged over channels.
    """

    site: SiteName
    weight: bool
    method: str
    lower: float
    upper: float


def bound_percentiles(
    models: Mapping[str, QuantModel], patches: Float[Tensor, "n c h w"]
) -> tuple[BoundPercentiles, ...]:
    """The percentiles of the bounds of several calibrated models of one network, such as DOBI's and DQC's.

    Values are those of each model's own network with no site quantized. Sites without affine bounds are passed over.

    Shapes: patches (N, C, H, W) in [0, 1]. Source: 2DQuant, figure 5.
    Raises: SpecError if the models have different sites; CalibrationError if one is not calibrated.
    """
    found: list[BoundPercentiles] = []
    names = {tuple(model.sites) for model in models.values()}
    if len(names) != 1:
        raise SpecError("models with different sites cannot be compared; quantize one network with one coverage.")
    for label, model in models.items():
        model.require_calibrated()

        def see(site: SiteInfo, values: Float32[np.ndarray, " n"], label: str = label, of: QuantModel = model) -> None:
            pairs = bounds_of(of, site.name)
            if pairs:
                rows = values.reshape(len(pairs), -1)
                lower = [_percent_below(row, bound) for row, (bound, _) in zip(rows, pairs, strict=True)]
                upper = [100.0 - _percent_below(-row, -bound) for row, (_, bound) in zip(rows, pairs, strict=True)]
                share = (float(np.mean(lower)), float(np.mean(upper)))
                found.append(BoundPercentiles(site.name, site.is_weight, label, *share))

        float_values(model, patches, see)
    order = {name: index for index, name in enumerate(names.pop())}
    return tuple(sorted(found, key=lambda row: (list(models).index(row.method), order[row.site])))


def _percent_below(values: Float32[np.ndarray, " n"], bound: float) -> float:
    return 100.0 * np.count_nonzero(values < np.float32(bound)) / values.size
