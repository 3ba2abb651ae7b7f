"""RLFN, an efficient network of short residual blocks with spatial attention, and its official checkpoints.

Tensor names are the official ones.
"""

# Calls of submodules are typed Any by torch.
# mypy: disable-error-code="no-any-return"
from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu

from intaglio.arch.entry import Entry, Naming, State, count, shape
from intaglio.arch.network import SRNetwork
from intaglio.arch.padding import extend_symmetric
from intaglio.arch.upsample import scale_at_once, shuffle_at_once

SLOPE = 0.05
"""Of every leaky ReLU."""

SMALLEST_SIDE = 15
"""In pixels: below it the strided convolution leaves fewer than the 7 rows that the pooling window spans."""


@dataclass(frozen=True)
class RLFNConfig:
    """Hyper-parameters of RLFN; pictures are in 0..255 and no mean is subtracted."""

    scale: int
    in_channels: int = 3
    features: int = 52
    mid_features: int = 52
    attention_features: int = 16
    blocks: int = 6

    pixel_range: ClassVar[float] = 255.0


class SpatialAttention(nn.Module):
    """Weights every pixel and channel by a gate from a coarse, wide view (ESA of RFANet, in RLFN's short form)."""

    def __init__(self, features: int, inner: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(features, inner, 1)
        self.conv_f = nn.Conv2d(inner, inner, 1)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride=2)
        self.pool = nn.MaxPool2d(7, stride=3)
        self.conv3 = nn.Conv2d(inner, inner, 3, padding=1)
        self.conv4 = nn.Conv2d(inner, features, 1)
        self.gate = nn.Sigmoid()

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Shapes: (N, C, H, W) to the same, H and W at least `SMALLEST_SIDE`."""
        narrow = self.conv1(x)
        coarse = self.conv3(self.pool(self.conv2(narrow)))
        spread = interpolate(coarse, size=x.shape[-2:], mode="bilinear", align_corners=False)
        return x * self.gate(self.conv4(spread + self.conv_f(narrow)))


class LocalBlock(nn.Module):
    """Three convolutions with a residual, a pointwise convolution, spatial attention (RLFN, figure 3)."""

    def __init__(self, features: int, mid: int, attention: int) -> None:
        super().__init__()
        self.c1_r = nn.Conv2d(features, mid, 3, padding=1)
        self.c2_r = nn.Conv2d(mid, mid, 3, padding=1)
        self.c3_r = nn.Conv2d(mid, features, 3, padding=1)
        self.c5 = nn.Conv2d(features, features, 1)
        self.esa = SpatialAttention(features, attention)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Shapes: (N, C, H, W) to the same, H and W at least `SMALLEST_SIDE`."""
        y = x
        for conv in (self.c1_r, self.c2_r, self.c3_r):
            y = leaky_relu(conv(y), SLOPE)
        return self.esa(self.c5(x + y))


class RLFN(SRNetwork):
    """RLFN (Kong et al., CVPRW 2022), winner of the NTIRE 2022 runtime track.

    Pictures with a side under 15 pixels, which the official code refuses, are extended by mirroring and cropped.
    """

    architecture = "RLFN"
    config: RLFNConfig

    def __init__(self, config: RLFNConfig) -> None:
        super().__init__(config)
        features = config.features
        self.conv_1 = nn.Conv2d(config.in_channels, features, 3, padding=1)
        self.block_names = tuple(f"block_{number}" for number in range(1, config.blocks + 1))
        for name in self.block_names:
            self.add_module(name, LocalBlock(features, config.mid_features, config.attention_features))
        self.conv_2 = nn.Conv2d(features, features, 3, padding=1)
        self.upsampler = shuffle_at_once(config.scale, features, config.in_channels)

    def upscale(self, image: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c height width"]:
        h, w = image.shape[-2:]
        shallow = self.conv_1(extend_symmetric(image, max(h, SMALLEST_SIDE), max(w, SMALLEST_SIDE)))
        x = shallow
        for name in self.block_names:
            x = self.get_submodule(name)(x)
        upscaled = self.upsampler(shallow + self.conv_2(x))
        return upscaled[..., : h * self.scale, : w * self.scale]

    def feature_taps(self) -> tuple[str, ...]:
        """The blocks; outputs are (N, C, H, W)."""
        return self.block_names

    def first_and_last(self) -> tuple[str, str]:
        return "conv_1", "upsampler.0"


def config_from(state: State) -> RLFNConfig:
    """The hyper-parameters, from shapes; raises CheckpointError where these make no sense."""
    features, in_channels = shape(state, "conv_1.weight", 4)[:2]
    return RLFNConfig(
        scale=scale_at_once(state, "upsampler.0.weight", in_channels),
        in_channels=in_channels,
        features=features,
        mid_features=shape(state, "block_1.c1_r.weight", 4)[0],
        attention_features=shape(state, "block_1.esa.conv1.weight", 4)[0],
        blocks=count(state, "block_", first=1),
    )


ENTRY = Entry(
    name="RLFN",
    paper="Kong et al., Residual local feature network for efficient super-resolution, CVPRW 2022",
    namings=(
        Naming("official", ("conv_1.weight", "block_1.c1_r.weight", "block_1.esa.conv_f.weight", "upsampler.0.weight")),
    ),
    config_from=config_from,
    build=RLFN,
)
