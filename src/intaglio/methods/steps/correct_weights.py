"""The step that corrects all weights in network order, each on the inputs that the quantized layers before it produce.

The closed forms are in `correction.py`; how two networks run in step is in `intaglio.observe.paired`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import reduce

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from intaglio import ranks
from intaglio.methods.base import Job
from intaglio.methods.steps.correction import Correction, PairedMoments
from intaglio.observe import Search
from intaglio.observe.collect import fit_weight, own_crops
from intaglio.observe.moments import Moments, input_rows, of_all_processes
from intaglio.observe.paired import paired_pass
from intaglio.quant import AffineQuantizer, QuantModel, SiteInfo
from intaglio.quant.editing import edit_weight, weight_matrix
from intaglio.quant.layers import QuantConv2d, QuantLayer, input_role


class Target(StrEnum):
    """Which unquantized input a corrected layer should answer as if it had received."""

    ASYMMETRIC = "asymmetric"
    """The float network's: the correction also undoes what earlier layers did wrong."""
    SYMMETRIC = "symmetric"
    """The quantized network's own, before this layer's quantizer."""


@dataclass(frozen=True)
class CorrectWeights:
    """Correct every linear and convolution by `correction`, then fit its weight bounds anew by `search`.

    Needs activation bounds. One batch of `patches` crops of `patch_size` runs through both networks in step; a layer is
    corrected just before it runs, so that later layers see its quantized form.

    Adds the metrics ``correction_error_before_median`` and ``correction_error_after_median``: the output error of a
    layer over the variance of its float output, without quantization of its weight.
    """

    correction: Correction
    search: Search
    target: Target
    patches: int
    patch_size: int

    def __call__(self, job: Job) -> None:
        """Edit weights and biases, replace weight quantizers."""
        patches = own_crops(job.patches(self.patches, self.patch_size, job.seed))
        weights = [site for site in job.model.sites.values() if site.is_weight]
        with job.progress.stage("correction", len(weights)) as advance:
            corrector = _Corrector(
                job.model, self.correction, self.search, self.target, len(patches), on_weight=lambda: advance("")
            )
            paired_pass(job.model, job.teacher, patches, corrector)
        for key, column in zip(("before", "after"), zip(*corrector.errors, strict=True), strict=False):
            job.metrics[f"correction_error_{key}_median"] = float(np.median(column))


@dataclass
class _Corrector:
    """Meets each layer of a paired pass and corrects the weights of all its parts."""

    model: QuantModel
    correction: Correction
    search: Search
    target: Target
    pictures: int
    on_weight: Callable[[], None]
    errors: list[tuple[float, float]] = field(default_factory=list)

    def __call__(self, path: str, layer: QuantLayer, floats: tuple[Tensor, ...], quantized: tuple[Tensor, ...]) -> None:
        pairs = [(_padded(layer, x_float), _padded(layer, x)) for x_float, x in zip(floats, quantized, strict=True)]
        for site in self.model.sites.values():
            if site.path == path and site.is_weight:
                self._correct(site, layer, pairs)
                self.on_weight()

    def _correct(self, site: SiteInfo, layer: QuantLayer, calls: Sequence[tuple[Tensor, Tensor]]) -> None:
        """`calls` are the float and the quantized input of each call of the layer in a pass."""
        joint, noise = [], []
        for call, (x_float, x) in enumerate(calls):
            target = x_float if self.target is Target.ASYMMETRIC else x
            quantizer = layer.site(site.role.removesuffix("weight") + input_role(call))
            assert isinstance(quantizer, AffineQuantizer)
            joint.append(self._joint(layer, target, quantizer(x)))
            noise.append(noise_variance(quantizer, target))
        (everywhere,) = of_all_processes([reduce(Moments.merged, joint)])
        moments = PairedMoments.of(everywhere, self._noise(noise))
        before = weight_matrix(self.model, site)
        after = self.correction(before, moments)
        edit_weight(self.model, site, after, moments.bias_shift(before, after))
        self.model.set_bounds(site.name, fit_weight(self.model, site, self.search))
        energy = float(moments.output_energy(before))
        if energy > 0.0:
            errors = (float(moments.output_error(before, weight)) / energy for weight in (before, after))
            self.errors.append((next(errors), next(errors)))

    def _noise(self, calls: Sequence[float]) -> float:
        """Mean over calls and processes, these weighted by their pictures."""
        sums = ranks.total(torch.tensor([float(np.mean(calls)) * self.pictures, self.pictures], dtype=torch.float64))
        return float(sums[0] / sums[1])

    def _joint(self, layer: QuantLayer, target: Tensor, quantized: Tensor) -> Moments:
        """Moments of both side by side, a picture at a time."""
        pairs = zip(target.chunk(self.pictures), quantized.chunk(self.pictures), strict=True)
        parts = (Moments.of(torch.cat([input_rows(layer, x) for x in pair], dim=1)) for pair in pairs)
        return reduce(Moments.merged, parts)


def _padded(layer: QuantLayer, x: Tensor) -> Tensor:
    return pad(x, layer.margins) if isinstance(layer, QuantConv2d) and any(layer.margins) else x


def noise_variance(quantizer: AffineQuantizer, x: Tensor) -> float:
    """Variance that a quantizer adds in theory: step^2 / 12 of rounding, plus the mean squared clipping error."""
    (grid,) = quantizer.grids()
    clipped = x - x.clamp(grid.lower, grid.upper)
    return grid.step**2 / 12.0 + float(clipped.double().square().mean())
