"""Baselines of vision-transformer quantization that fold into a LayerNorm and the linear layer that reads it.

RepQ-ViT (Li et al., ICCV 2023) gives all channels of a LayerNorm's output one range; NoisyQuant (Liu et al., CVPR 2023)
adds a fixed noise to them. Both are undone in the layer behind, so that the float network computes what it did and the
packed model needs nothing new.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from intaglio.methods.base import Job, Step
from intaglio.methods.steps import Require
from intaglio.methods.steps.norm_inputs import norm_inputs
from intaglio.methods.two_d_quant import Dobi
from intaglio.observe import TwoSidedMse
from intaglio.quant.affine import fake_quantize
from intaglio.quant.editing import fold_into_norm

FRACTIONS = (0.0, 0.125, 0.25, 0.5, 0.75, 1.0)
"""Candidates for the reach of NoisyQuant's noise, in steps of the grid; 0 leaves a layer as it is."""

NOISE_SEED = 2
"""Added to the seed of the noise."""


@dataclass(frozen=True)
class RepQ:
    """Scale reparametrisation of LayerNorm outputs (RepQ-ViT, section 3.2), then DOBI for all bounds.

    Left out: the logarithmic quantizer of attention maps (section 3.3), which has no affine grid, and per-channel
    weights. Ranges of channels are those of DOBI over `candidates`. Cost: two float passes.
    """

    candidates: int = 100
    patches: int = 32
    patch_size: int = 64

    def steps(self) -> tuple[Step, ...]:
        """Equal ranges for all channels of a LayerNorm, then bounds."""
        return (
            Require(norms=True),
            EqualiseNorms(self.candidates, self.patches, self.patch_size),
            *Dobi(self.candidates, self.patches, self.patch_size).steps(),
        )


@dataclass(frozen=True)
class NoisyQuant:
    """A fixed noise on LayerNorm outputs (NoisyQuant, section 3), then DOBI for all bounds.

    One draw for each channel, uniform within a reach that is chosen for each layer by the least squared error of its
    input on the calibration patches. Left out: noise at inputs that no LayerNorm makes. Cost: three float passes.
    """

    candidates: int = 100
    patches: int = 32
    patch_size: int = 64

    def steps(self) -> tuple[Step, ...]:
        """Bounds, noise that suits them, bounds anew."""
        fit = Dobi(self.candidates, self.patches, self.patch_size).steps()
        return (Require(norms=True), *fit, AddNoise(self.patches, self.patch_size), *fit)


@dataclass(frozen=True)
class EqualiseNorms:
    """Moves and scales every channel c of a LayerNorm's output to the mean range of all (RepQ-ViT, equations 7-10).

    With step s and zero point z of each channel, and their means s~ and z~, the output becomes
    ``(x + s (z - z~)) / (s / s~)``.
    """

    candidates: int
    patches: int
    patch_size: int

    def __call__(self, job: Job) -> None:
        """Edit LayerNorms and the layers behind them; adds the metric ``norms``."""
        search = TwoSidedMse(self.candidates)
        patches = job.patches(self.patches, self.patch_size, job.seed)
        found = norm_inputs(job, patches)
        for one in found:
            bounds = [search(channel.numpy(), one.site.bits) for channel in one.rows.cpu().float().T.contiguous()]
            lower, upper = (
                torch.tensor([getattr(pair, end) for pair in bounds]).to(one.rows.device).double()
                for end in ("lower", "upper")
            )
            step = (upper - lower) / ((1 << one.site.bits) - 1)
            # A channel that hardly varies would be blown up by its share of the mean.
            step = step.clamp(min=1e-3 * step.mean().item())
            zero = -lower / step
            shift, scale = step * (zero - zero.mean()), step / step.mean()
            fold_into_norm(job.model, one.norm, one.readers, shift=shift, scale=scale)
        job.metrics["norms"] = float(len(found))


@dataclass(frozen=True)
class AddNoise:
    """Adds to every channel of a LayerNorm's output one draw from ``U(-n, n)``, n by the error of the layer's input."""

    patches: int
    patch_size: int

    def __call__(self, job: Job) -> None:
        """Edit LayerNorms and the layers behind them; adds the metric ``noisy``, how many took any noise."""
        patches = job.patches(self.patches, self.patch_size, job.seed)
        generator = torch.Generator().manual_seed(job.seed + NOISE_SEED)
        affine, noisy = job.model.affine(), 0
        for one in norm_inputs(job, patches):
            site, rows = one.site, one.rows
            draw = (2.0 * torch.rand(rows.shape[1], generator=generator) - 1.0).to(rows.device)
            grid = affine[site.name].grids()[0]
            lower, upper = (torch.tensor(end).to(rows.device) for end in (grid.lower, grid.upper))
            noises = [fraction * grid.step * draw for fraction in FRACTIONS]
            errors = [
                float((fake_quantize(rows + noise, lower, upper, site.bits) - noise - rows).square().sum())
                for noise in noises
            ]
            best = noises[errors.index(min(errors))]
            noisy += bool(best.any())
            scale = torch.ones_like(best).double()
            fold_into_norm(job.model, one.norm, one.readers, shift=best.double(), scale=scale)
        job.metrics["noisy"] = float(noisy)
