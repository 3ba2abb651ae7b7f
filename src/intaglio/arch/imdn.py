"""IMDN, blocks that put a quarter of their channels aside at every step, and its official checkpoints.

Tensor names are the official ones.
"""

# Calls of submodules are typed Any by torch.
# mypy: disable-error-code="no-any-return"
from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from intaglio.arch.entry import Entry, Naming, State, count, shape
from intaglio.arch.network import SRNetwork
from intaglio.arch.upsample import scale_at_once, shuffle_at_once
from intaglio.errors import CheckpointError

SLOPE = 0.05
"""Of every leaky ReLU."""

STEPS = 4
"""Of a block; each but the last puts a share of 1 / STEPS of the channels aside."""


@dataclass(frozen=True)
class IMDNConfig:
    """Hyper-parameters of IMDN; the defaults are the published ones. Pictures are in [0, 1].

    `squeezed` is the width inside the channel attention.

    Raises: CheckpointError for a width that cannot be shared out (remedy: another copy).
    """

    scale: int
    in_channels: int = 3
    features: int = 64
    blocks: int = 6
    squeezed: int = 4

    pixel_range: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        if self.features % STEPS:
            raise CheckpointError(f"IMDN with {self.features} channels is refused: they are shared by {STEPS}.")


class ContrastAttention(nn.Module):
    """Weighs channels by a gate from their mean and their deviation over the picture (IMDN, section 3.3)."""

    def __init__(self, features: int, squeezed: int) -> None:
        super().__init__()
        self.conv_du = nn.Sequential(
            nn.Conv2d(features, squeezed, 1), nn.ReLU(), nn.Conv2d(squeezed, features, 1), nn.Sigmoid()
        )

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Shapes: (N, C, H, W) to the same."""
        mean = x.mean((2, 3), keepdim=True)
        deviation = (x - mean).square().mean((2, 3), keepdim=True).sqrt()
        return x * self.conv_du(deviation + mean)


class DistillationBlock(nn.Module):
    """Convolutions in a row, each of what the one before it passed on; what was put aside is joined at the end."""

    def __init__(self, features: int, squeezed: int) -> None:
        super().__init__()
        self.aside = features // STEPS
        passed = features - self.aside
        self.c1 = nn.Conv2d(features, features, 3, padding=1)
        self.c2 = nn.Conv2d(passed, features, 3, padding=1)
        self.c3 = nn.Conv2d(passed, features, 3, padding=1)
        self.c4 = nn.Conv2d(passed, self.aside, 3, padding=1)
        self.c5 = nn.Conv2d(features, features, 1)
        self.cca = ContrastAttention(features, squeezed)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Shapes: (N, C, H, W) to the same."""
        kept, passed = [], x
        for conv in (self.c1, self.c2, self.c3):
            found = leaky_relu(conv(passed), SLOPE)
            kept.append(found[:, : self.aside])
            passed = found[:, self.aside :]
        return self.c5(self.cca(torch.cat((*kept, self.c4(passed)), dim=1))) + x


class IMDN(SRNetwork):
    """IMDN (Hui et al., ACM MM 2019)."""

    architecture = "IMDN"
    config: IMDNConfig

    def __init__(self, config: IMDNConfig) -> None:
        super().__init__(config)
        features = config.features
        self.fea_conv = nn.Conv2d(config.in_channels, features, 3, padding=1)
        self.block_names = tuple(f"IMDB{number}" for number in range(1, config.blocks + 1))
        for name in self.block_names:
            self.add_module(name, DistillationBlock(features, config.squeezed))
        self.c = nn.Sequential(nn.Conv2d(config.blocks * features, features, 1), nn.LeakyReLU(SLOPE))
        self.LR_conv = nn.Conv2d(features, features, 3, padding=1)
        self.upsampler = shuffle_at_once(config.scale, features, config.in_channels)

    def upscale(self, image: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c height width"]:
        shallow = self.fea_conv(image)
        outputs, x = [], shallow
        for name in self.block_names:
            x = self.get_submodule(name)(x)
            outputs.append(x)
        return self.upsampler(self.LR_conv(self.c(torch.cat(outputs, dim=1))) + shallow)

    def feature_taps(self) -> tuple[str, ...]:
        """The blocks; outputs are (N, C, H, W)."""
        return self.block_names

    def first_and_last(self) -> tuple[str, str]:
        return "fea_conv", "upsampler.0"


def config_from(state: State) -> IMDNConfig:
    """The hyper-parameters, from shapes; raises CheckpointError where these make no sense."""
    features, in_channels = shape(state, "fea_conv.weight", 4)[:2]
    return IMDNConfig(
        scale=scale_at_once(state, "upsampler.0.weight", in_channels),
        in_channels=in_channels,
        features=features,
        blocks=count(state, "IMDB", first=1),
        squeezed=shape(state, "IMDB1.cca.conv_du.0.weight", 4)[0],
    )


ENTRY = Entry(
    name="IMDN",
    paper="Hui et al., Lightweight image super-resolution with information multi-distillation network, ACM MM 2019",
    namings=(
        Naming("official", ("fea_conv.weight", "IMDB1.c1.weight", "IMDB1.cca.conv_du.0.weight", "LR_conv.weight")),
    ),
    config_from=config_from,
    build=IMDN,
)
