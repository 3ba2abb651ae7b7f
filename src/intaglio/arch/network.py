"""What every float super-resolution network of this package offers beyond `torch.nn.Module`.

Architectures subclass `SRNetwork`, one file each; how checkpoints become networks is in `load.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn


@runtime_checkable
class NetworkConfig(Protocol):
    """The part of a configuration that all architectures share; each has its own frozen dataclass."""

    @property
    def scale(self) -> int:
        """Upscaling factor."""

    @property
    def in_channels(self) -> int:
        """1 (gray) or 3 (RGB); output pictures have as many."""

    @property
    def pixel_range(self) -> float:
        """The value of white inside the network, 1 or 255."""


class SRNetwork(nn.Module, ABC):
    """A float network from an LR picture to an SR picture, with the names that quantization needs.

    Every costly operation is a named submodule. `forward` takes and returns units of [0, 1], whatever range the
    network computes in. A subclass writes `upscale`, in its own range.
    """

    architecture: ClassVar[str]
    """Name in the registry."""

    feature_channel_axis: ClassVar[int] = 1
    """The axis of channels in the outputs of `feature_taps`: 1 for (N, C, H, W), -1 for (N, H, W, C)."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config

    @property
    def scale(self) -> int:
        """Upscaling factor."""
        return self.config.scale

    @property
    def in_channels(self) -> int:
        """1 (gray) or 3 (RGB); output pictures have as many."""
        return self.config.in_channels

    @property
    def pixel_range(self) -> float:
        """The value of white inside the network, 1 or 255."""
        return self.config.pixel_range

    def forward(self, image: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c height width"]:
        """The SR picture.

        Shapes: (N, C, H, W) to (N, C, H * scale, W * scale), any H and W from 1. Units: [0, 1], not clipped. A gray
        network takes colour pictures too: each of their channels is a picture of its own.
        """
        if self.in_channels == 1 != image.shape[1]:
            channels: Tensor = self(image.flatten(0, 1)[:, None])
            return channels.view(*image.shape[:2], *channels.shape[2:])
        return self.upscale(image * self.pixel_range) / self.pixel_range

    @abstractmethod
    def upscale(self, image: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c height width"]:
        """`forward` in units of [0, `pixel_range`]."""

    @abstractmethod
    def feature_taps(self) -> tuple[str, ...]:
        """Names of the submodules whose outputs are the features a student learns from its teacher."""

    @abstractmethod
    def first_and_last(self) -> tuple[str, str]:
        """Names of the first and the last convolution: they stay at 8 bits under full coverage."""
