"""How much quality each site costs when it alone is quantized."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import torch

from intaglio.analyze.pairs import Pairs
from intaglio.analyze.placing import emptied, placed
from intaglio.progress import Progress, Silent
from intaglio.quant import QuantModel
from intaglio.spec import SiteName


@dataclass(frozen=True)
class SiteSensitivity:
    """One site, quantized alone.

    `psnr_loss` in dB: PSNR-Y of the unquantized network minus that with this site quantized, both against HR; may be
    negative. `error` is the mean squared change of the output, samples in [0, 1]; `estimate` is its gradient estimate,
    or None where none was made.
    """

    site: SiteName
    weight: bool
    bits: int
    psnr_loss: float
    error: float
    estimate: float | None


def site_sensitivity(
    model: QuantModel,
    pairs: Pairs,
    *,
    only: Collection[SiteName] | None = None,
    estimates: Mapping[SiteName, float] | None = None,
    progress: Progress | None = None,
) -> tuple[SiteSensitivity, ...]:
    """Quantize one site at a time by the quantizers of a calibrated model and see what it costs.

    The reference is the same model with no site quantized. `only` names the sites to look at, all by default;
    `estimates` come from `estimate_errors`. Cost: one float pass, and one for each site.
    Source: OAQ (ICCV 2025), per-layer losses.

    Raises: CalibrationError if the model is not calibrated (remedy: run a method first).
    """
    model.require_calibrated()
    bare = emptied(model)
    sites = {name: site for name, site in model.sites.items() if only is None or name in only}
    rows = []
    with torch.inference_mode(), (progress or Silent()).stage("sensitivity", len(sites)) as advance:
        reference = bare(pairs.lr)
        best = pairs.psnr_y(reference)
        for name, site in sites.items():
            with placed(bare, name, model.quantizer(name)):
                output = bare(pairs.lr)
            loss = best - pairs.psnr_y(output)
            error = float((output - reference).double().square().mean())
            rows.append(SiteSensitivity(name, site.is_weight, site.bits, loss, error, (estimates or {}).get(name)))
            advance(f"{loss:.3f} dB")
    return tuple(rows)
