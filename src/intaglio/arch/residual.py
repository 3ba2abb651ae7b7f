"""What convolutional residual networks share: the block, and the frame of EDSR and RCAN with its mean colour.

The networks themselves have a file each; tensor names follow BasicSR, other namings are translated by `renaming.py`.
"""

# Calls of submodules are typed Any by torch.
# mypy: disable-error-code="no-any-return"
from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import relu

from intaglio.arch.layers import colour_mean
from intaglio.arch.network import NetworkConfig, SRNetwork
from intaglio.arch.upsample import shuffle_stages


@runtime_checkable
class FrameConfig(NetworkConfig, Protocol):
    """What `ResidualFrame` reads of a configuration."""

    @property
    def features(self) -> int:
        """Width of the body, in channels."""


class ResidualBlock(nn.Module):
    """Convolution, ReLU, convolution, added to the input after scaling by `res_scale` (EDSR, figure 2c)."""

    def __init__(self, features: int, res_scale: float = 1.0) -> None:
        super().__init__()
        self.res_scale = res_scale
        self.conv1 = nn.Conv2d(features, features, 3, padding=1)
        self.conv2 = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Shapes: (N, C, H, W) to the same."""
        return x + self.conv2(relu(self.conv1(x))) * self.res_scale


class ResidualFrame(SRNetwork):
    """Mean subtracted, first convolution, a body with a long residual, pixel shuffles, last convolution, mean added."""

    def __init__(self, config: FrameConfig, body: Iterable[nn.Module]) -> None:
        super().__init__(config)
        features, channels = config.features, config.in_channels
        self.register_buffer("mean", colour_mean(channels) * config.pixel_range, persistent=False)
        self.mean: Tensor
        self.conv_first = nn.Conv2d(channels, features, 3, padding=1)
        self.body = nn.Sequential(*body)
        self.conv_after_body = nn.Conv2d(features, features, 3, padding=1)
        self.upsample = shuffle_stages(config.scale, features)
        self.conv_last = nn.Conv2d(features, channels, 3, padding=1)

    def upscale(self, image: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c height width"]:
        shallow = self.conv_first(image - self.mean)
        deep = shallow + self.conv_after_body(self.body(shallow))
        return self.conv_last(self.upsample(deep)) + self.mean

    def feature_taps(self) -> tuple[str, ...]:
        """The members of the body; outputs are (N, C, H, W)."""
        return tuple(f"body.{index}" for index in range(len(self.body)))

    def first_and_last(self) -> tuple[str, str]:
        return "conv_first", "conv_last"
