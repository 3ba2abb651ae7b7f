"""Pairs of LR and HR crops for analyses that need a ground truth, cut from calibration pictures."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from intaglio.images import downscale
from intaglio.observe import CalibrationSet

LUMA = (65.481 / 255, 128.553 / 255, 24.966 / 255)
"""Weights of R, G and B in BT.601's limited-range luma, for samples in [0, 1]."""


@dataclass(frozen=True)
class Pairs:
    """LR and HR crops in [0, 1]. Shapes: (N, 3, h, w) and (N, 3, h * scale, w * scale)."""

    lr: Float[Tensor, "n 3 h w"]
    hr: Float[Tensor, "n 3 H W"]

    @property
    def scale(self) -> int:
        """The SR factor."""
        return int(self.hr.shape[-1] // self.lr.shape[-1])

    def to(self, device: torch.device) -> Pairs:
        """The same pairs on a device."""
        return replace(self, lr=self.lr.to(device), hr=self.hr.to(device))

    def psnr_y(self, sr: Float[Tensor, "n 3 H W"]) -> float:
        """Mean over crops of the PSNR-Y of SR pictures, in dB; `scale` pixels are cropped per side.

        Pictures are clipped but not rounded to 8 bits, so that effects below a grey level show. The mean squared error
        is floored at 1e-10, which is 100 dB.
        """
        crop = self.scale
        difference = (sr.clamp(0.0, 1.0) - self.hr)[..., crop:-crop, crop:-crop].double()
        weights = torch.tensor(LUMA, dtype=torch.float64).to(sr.device)
        error = torch.einsum("nchw,c->nhw", difference, weights).square().mean((1, 2))
        return float((-10.0 * error.clamp(min=1e-10).log10()).mean())


def pairs_of(calibration: CalibrationSet, count: int, size: int, scale: int, seed: int) -> Pairs:
    """Random crops of the pictures as HR, and their LR pictures of `size` pixels by our exact bicubic.

    Calibration pictures stand in for HR ones here, so a network sees smaller and sharper pictures than it was
    calibrated on. Never a test set. Raises: CalibrationError if pictures are smaller than ``size * scale``.
    """
    hr = calibration.patches(count, size * scale, seed)
    pictures = (hr * 255.0).round().byte().permute(0, 2, 3, 1).numpy()
    return Pairs(_batch([downscale(picture, scale) for picture in pictures]), hr)


def _batch(pictures: list[UInt8[np.ndarray, "h w 3"]]) -> Float[Tensor, "n 3 h w"]:
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float().div_(255.0).contiguous()
