"""MSRResNet, BasicSR's SRResNet without batch normalisation, and its checkpoints.

The original SRResNet is in `srresnet.py`.
"""

# Calls of submodules are typed Any by torch.
# mypy: disable-error-code="no-any-return"
from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu, pixel_shuffle

from intaglio.arch.entry import Entry, Naming, State, count, shape
from intaglio.arch.network import SRNetwork
from intaglio.arch.residual import ResidualBlock
from intaglio.arch.upsample import scale_at_once
from intaglio.errors import CheckpointError

SLOPE = 0.1
"""Of every leaky ReLU."""

_STAGES = {2: (2,), 3: (3,), 4: (2, 2)}


@dataclass(frozen=True)
class MSRResNetConfig:
    """Hyper-parameters of MSRResNet; pictures are in [0, 1] and no mean is subtracted.

    Raises: CheckpointError for scales other than 2, 3 and 4, which the network does not have.
    """

    scale: int
    in_channels: int = 3
    features: int = 64
    blocks: int = 16

    pixel_range: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        if self.scale not in _STAGES:
            raise CheckpointError(f"MSRResNet has no scale {self.scale}; choose one of 2, 3, 4.")


class MSRResNet(SRNetwork):
    """MSRResNet (BasicSR; after Ledig et al., CVPR 2017): residual blocks, shuffles, a bilinear picture added."""

    architecture = "MSRResNet"
    config: MSRResNetConfig

    def __init__(self, config: MSRResNetConfig) -> None:
        super().__init__(config)
        features = config.features
        self.conv_first = nn.Conv2d(config.in_channels, features, 3, padding=1)
        self.body = nn.Sequential(*(ResidualBlock(features) for _ in range(config.blocks)))
        self.stages = {f"upconv{number}": factor for number, factor in enumerate(_STAGES[config.scale], start=1)}
        for name, factor in self.stages.items():
            self.add_module(name, nn.Conv2d(features, features * factor**2, 3, padding=1))
        self.conv_hr = nn.Conv2d(features, features, 3, padding=1)
        self.conv_last = nn.Conv2d(features, config.in_channels, 3, padding=1)

    def upscale(self, image: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c height width"]:
        x = self.body(leaky_relu(self.conv_first(image), SLOPE))
        for name, factor in self.stages.items():
            x = leaky_relu(pixel_shuffle(self.get_submodule(name)(x), factor), SLOPE)
        detail = self.conv_last(leaky_relu(self.conv_hr(x), SLOPE))
        return detail + interpolate(image, scale_factor=self.scale, mode="bilinear", align_corners=False)

    def feature_taps(self) -> tuple[str, ...]:
        """The residual blocks; outputs are (N, C, H, W)."""
        return tuple(f"body.{index}" for index in range(len(self.body)))

    def first_and_last(self) -> tuple[str, str]:
        return "conv_first", "conv_last"


def config_from(state: State) -> MSRResNetConfig:
    """The hyper-parameters, from shapes; raises CheckpointError where these make no sense."""
    features, in_channels = shape(state, "conv_first.weight", 4)[:2]
    first_stage = scale_at_once(state, "upconv1.weight", features)
    return MSRResNetConfig(
        scale=first_stage**2 if "upconv2.weight" in state else first_stage,
        in_channels=in_channels,
        features=features,
        blocks=count(state, "body."),
    )


ENTRY = Entry(
    name="MSRResNet",
    paper="BasicSR's variant of Ledig et al., Photo-realistic single image super-resolution, CVPR 2017",
    namings=(Naming("BasicSR", ("conv_first.weight", "body.0.conv1.weight", "upconv1.weight", "conv_hr.weight")),),
    config_from=config_from,
    build=MSRResNet,
)
