"""A torch network as an upscaler of 8-bit pictures: the only file of this subpackage that imports torch."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import nn


class TorchUpscaler:
    """Runs a network, float or fake-quantized, picture by picture, whole, without gradients.

    The network maps (1, C, H, W) in [0, 1] to (1, C, H * scale, W * scale), C 3 or 1. Its output is clipped to [0, 1],
    times 255, rounded half to even.
    """

    def __init__(self, network: nn.Module, scale: int, device: str = "cpu") -> None:
        self._network = network.eval().to(device)
        self._scale = scale
        self._device = device

    @property
    def scale(self) -> int:
        """The SR factor."""
        return self._scale

    def __call__(self, image: UInt8[np.ndarray, "h w c"], /) -> UInt8[np.ndarray, "H W d"]:
        """The enlarged picture."""
        with torch.inference_mode():
            x = torch.from_numpy(np.ascontiguousarray(image)).to(self._device).permute(2, 0, 1)[None].float() / 255.0
            y = self._network(x)[0].clamp_(0.0, 1.0).mul_(255.0).round_().to(torch.uint8)
        return np.ascontiguousarray(y.permute(1, 2, 0).cpu().numpy())

    def planes(self, x: Float32[np.ndarray, "c h w"], /) -> Float32[np.ndarray, "d H W"]:
        """Planes in [0, 1], enlarged; neither rounded nor clipped."""
        with torch.inference_mode():
            y = self._network(torch.from_numpy(np.ascontiguousarray(x)).to(self._device)[None])[0].float()
        return np.ascontiguousarray(y.cpu().numpy())
