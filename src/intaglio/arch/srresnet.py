"""The original SRResNet with its batch normalisation folded away on loading, and its checkpoints.

BasicSR's variant without normalisation is in `msrresnet.py`.
"""

# Calls of submodules are typed Any by torch.
# mypy: disable-error-code="no-any-return"
from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from intaglio.arch.batch_norm import folded
from intaglio.arch.entry import Entry, Naming, State, check_scale, count, exact_root, shape
from intaglio.arch.network import SRNetwork
from intaglio.arch.renaming import renamed

SRGAN_PYTORCH_RULES = (
    (r"conv(?:_block)?1\.0\.(weight|bias)", r"conv_first.\1"),
    (r"conv(?:_block)?1\.1\.weight", r"prelu_first.weight"),
    (r"trunk\.(\d+)\.rcb\.0\.(weight|bias)", r"body.\1.conv1.\2"),
    (r"trunk\.(\d+)\.rcb\.1\.(\w+)", r"body.\1.norm1.\2"),
    (r"trunk\.(\d+)\.rcb\.2\.weight", r"body.\1.prelu.weight"),
    (r"trunk\.(\d+)\.rcb\.3\.(weight|bias)", r"body.\1.conv2.\2"),
    (r"trunk\.(\d+)\.rcb\.4\.(\w+)", r"body.\1.norm2.\2"),
    (r"conv(?:_block)?2\.0\.(weight|bias)", r"conv_after_body.\1"),
    (r"conv(?:_block)?2\.1\.(\w+)", r"norm_after_body.\1"),
    (r"upsampling\.(\d+)\.upsample_block\.0\.(weight|bias)", r"upsample.\1.conv.\2"),
    (r"upsampling\.(\d+)\.upsample_block\.2\.weight", r"upsample.\1.prelu.weight"),
    (r"conv(?:_block)?3\.(weight|bias)", r"conv_last.\1"),
)


@dataclass(frozen=True)
class SRResNetConfig:
    """Hyper-parameters of SRResNet; pictures are in [0, 1] and no mean is subtracted. `scale` is 2, 3, 4 or 8."""

    scale: int
    in_channels: int = 3
    features: int = 64
    blocks: int = 16

    pixel_range: ClassVar[float] = 1.0


class PReLUBlock(nn.Module):
    """Convolution, PReLU, convolution, added to the input. Shapes: (N, C, H, W) to the same."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(features, features, 3, padding=1)
        self.prelu = nn.PReLU()
        self.conv2 = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        return x + self.conv2(self.prelu(self.conv1(x)))


class PReLUShuffle(nn.Module):
    """Convolution, pixel shuffle, PReLU. Shapes: (N, C, H, W) to (N, C, H * factor, W * factor)."""

    def __init__(self, features: int, factor: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(features, features * factor**2, 3, padding=1)
        self.shuffle = nn.PixelShuffle(factor)
        self.prelu = nn.PReLU()

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c height width"]:
        return self.prelu(self.shuffle(self.conv(x)))


class SRResNet(SRNetwork):
    """SRResNet (Ledig et al., CVPR 2017, figure 4), each batch normalisation folded into its convolution."""

    architecture = "SRResNet"
    config: SRResNetConfig

    def __init__(self, config: SRResNetConfig) -> None:
        super().__init__(config)
        features = config.features
        factors = (3,) if config.scale == 3 else (2,) * (config.scale.bit_length() - 1)
        self.conv_first = nn.Conv2d(config.in_channels, features, 9, padding=4)
        self.prelu_first = nn.PReLU()
        self.body = nn.Sequential(*(PReLUBlock(features) for _ in range(config.blocks)))
        self.conv_after_body = nn.Conv2d(features, features, 3, padding=1)
        self.upsample = nn.Sequential(*(PReLUShuffle(features, factor) for factor in factors))
        self.conv_last = nn.Conv2d(features, config.in_channels, 9, padding=4)

    def upscale(self, image: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c height width"]:
        shallow = self.prelu_first(self.conv_first(image))
        deep = shallow + self.conv_after_body(self.body(shallow))
        return self.conv_last(self.upsample(deep))

    def feature_taps(self) -> tuple[str, ...]:
        """The residual blocks; outputs are (N, C, H, W)."""
        return tuple(f"body.{index}" for index in range(len(self.body)))

    def first_and_last(self) -> tuple[str, str]:
        return "conv_first", "conv_last"


def config_from(state: State) -> SRResNetConfig:
    """The hyper-parameters, from shapes; raises CheckpointError where these make no sense."""
    features, in_channels = shape(state, "conv_first.weight", 4)[:2]
    key = "upsample.0.conv.weight"
    factor = exact_root(shape(state, key, 4)[0] // features, key)
    return SRResNetConfig(
        scale=check_scale(factor ** count(state, "upsample.")),
        in_channels=in_channels,
        features=features,
        blocks=count(state, "body."),
    )


def from_srgan_pytorch(state: State) -> dict[str, Tensor]:
    """Names translated and each batch normalisation folded; raises CheckpointError where one does not fit."""
    named = renamed(state, SRGAN_PYTORCH_RULES)
    convs = {key.removesuffix(".weight"): key for key in named if re.search(r"conv\w*\.weight$", key)}
    norms = {conv: re.sub(r"conv(\w*)$", r"norm\1", conv) for conv in convs}
    result = {key: value for key, value in named.items() if not re.search(r"norm\w*\.\w+$", key)}
    for conv, norm in norms.items():
        if f"{norm}.running_mean" in named:
            result[f"{conv}.weight"], result[f"{conv}.bias"] = folded(named, conv, norm)
    return result


def _srgan_keys(prefix: str) -> tuple[str, ...]:
    return (f"{prefix}1.0.weight", "trunk.0.rcb.0.weight", "upsampling.0.upsample_block.0.weight", f"{prefix}3.weight")


ENTRY = Entry(
    name="SRResNet",
    paper="Ledig et al., Photo-realistic single image super-resolution using a GAN, CVPR 2017",
    namings=(
        Naming("folded", ("conv_first.weight", "body.0.prelu.weight", "upsample.0.conv.weight", "conv_last.weight")),
        Naming("SRGAN-PyTorch", _srgan_keys("conv"), from_srgan_pytorch),
        Naming("SRGAN-PyTorch, older", _srgan_keys("conv_block"), from_srgan_pytorch),
    ),
    config_from=config_from,
    build=SRResNet,
)
