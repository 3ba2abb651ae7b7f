"""The frame that transformer networks for super-resolution share: convolution, body with a long residual, picture.

The bodies have a file each; tensor names are SwinIR's, which later networks kept.
"""

# Calls of submodules are typed Any by torch.
# mypy: disable-error-code="no-any-return"
from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn

from intaglio.arch.layers import colour_mean
from intaglio.arch.network import SRNetwork
from intaglio.arch.padding import extend_symmetric, next_multiple
from intaglio.arch.reconstruction import (
    ReconstructionConfig,
    ResidualConv,
    add_reconstruction,
    last_convolution,
    reconstruct,
    residual_conv,
)


@runtime_checkable
class FrameConfig(ReconstructionConfig, Protocol):
    """What `TransformerFrame` reads of a configuration."""

    @property
    def residual(self) -> ResidualConv:
        """The convolution after the body."""

    @property
    def multiple(self) -> int:
        """Sides of pictures are extended to multiples of this, in pixels; 1 for networks that take any size."""


class TransformerFrame(SRNetwork):
    """Mean subtracted, first convolution, a body of tokens with a long residual, reconstruction, mean added.

    Pictures are extended by mirroring where a side is no multiple of the configuration's, and the result is cropped.
    `body` has the modules between the first and the second convolution by name; `deep_features` calls them.
    """

    feature_channel_axis = -1
    config: FrameConfig

    def __init__(self, config: FrameConfig, body: Mapping[str, nn.Module]) -> None:
        super().__init__(config)
        self.register_buffer("mean", colour_mean(config.in_channels) * config.pixel_range, persistent=False)
        self.mean: Tensor
        self.conv_first = nn.Conv2d(config.in_channels, config.embed_dim, 3, padding=1)
        for name, module in body.items():
            self.add_module(name, module)
        self.conv_after_body = residual_conv(config.residual, config.embed_dim)
        add_reconstruction(self, config)

    def upscale(self, image: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c height width"]:
        h, w = image.shape[-2:]
        multiple = self.config.multiple
        padded = extend_symmetric(image, next_multiple(h, multiple), next_multiple(w, multiple))
        shallow = self.conv_first(padded - self.mean)
        deep = self.deep_features(shallow.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        upscaled = reconstruct(self, self.config, shallow + self.conv_after_body(deep)) + self.mean
        return upscaled[..., : h * self.scale, : w * self.scale]

    @abstractmethod
    def deep_features(self, tokens: Float[Tensor, "n h w dim"]) -> Float[Tensor, "n h w dim"]:
        """The body. Shapes: (N, H, W, dim) to the same, H and W multiples of the configuration's."""

    def first_and_last(self) -> tuple[str, str]:
        return "conv_first", last_convolution(self.config.upsampler)


class PatchEmbed(nn.Module):
    """Normalisation of tokens; a patch is one pixel. Shapes: (N, H, W, C) to the same."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Float[Tensor, "n h w dim"]) -> Float[Tensor, "n h w dim"]:
        return self.norm(x)
