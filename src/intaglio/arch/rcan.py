"""RCAN, and its checkpoints in the official naming and in BasicSR's.

The frame around its groups is shared with EDSR and stands in `residual.py`.
"""

# Calls of submodules are typed Any by torch.
# mypy: disable-error-code="no-any-return"
from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from intaglio.arch.entry import Entry, Naming, State, count, shape
from intaglio.arch.options import PIXEL_RANGE
from intaglio.arch.renaming import HEAD_AND_TAIL, renamed, without_mean_shift
from intaglio.arch.residual import ResidualFrame
from intaglio.arch.upsample import scale_of_stages

OFFICIAL_RULES = (
    (r"body\.(\d+)\.body\.(\d+)\.body\.([02])\.(weight|bias)", r"body.\1.residual_group.\2.rcab.\3.\4"),
    (
        r"body\.(\d+)\.body\.(\d+)\.body\.3\.conv_du\.0\.(weight|bias)",
        r"body.\1.residual_group.\2.rcab.3.attention.1.\3",
    ),
    (
        r"body\.(\d+)\.body\.(\d+)\.body\.3\.conv_du\.2\.(weight|bias)",
        r"body.\1.residual_group.\2.rcab.3.attention.3.\3",
    ),
    (r"body\.(\d+)\.body\.\d+\.(weight|bias)", r"body.\1.conv.\2"),
    *HEAD_AND_TAIL,
)

FIRST_BLOCK = "body.0.residual_group.0.rcab."


@dataclass(frozen=True)
class RCANConfig:
    """Hyper-parameters of RCAN; the defaults are the paper's, in BasicSR's layout of groups and blocks.

    `squeezed` is the width inside the channel attention. No tensor shows `pixel_range`: loading assumes 0..255.
    """

    scale: int
    in_channels: int = 3
    features: int = 64
    groups: int = 10
    blocks: int = 20
    squeezed: int = 4
    pixel_range: float = 255.0


class ChannelAttention(nn.Module):
    """Weights every channel by a gate computed from the channel means (RCAN, equations 9 to 11)."""

    def __init__(self, features: int, squeezed: int) -> None:
        super().__init__()
        self.attention = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(features, squeezed, 1),
            nn.ReLU(),
            nn.Conv2d(squeezed, features, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Shapes: (N, C, H, W) to the same."""
        return x * self.attention(x)


class AttentionBlock(nn.Module):
    """A residual block whose branch ends in channel attention (the paper's RCAB). Shapes: (N, C, H, W) to the same."""

    def __init__(self, features: int, squeezed: int) -> None:
        super().__init__()
        self.rcab = nn.Sequential(
            nn.Conv2d(features, features, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(features, features, 3, padding=1),
            ChannelAttention(features, squeezed),
        )

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        return x + self.rcab(x)


class ResidualGroup(nn.Module):
    """Blocks, a convolution and a residual connection. Shapes: (N, C, H, W) to the same."""

    def __init__(self, features: int, blocks: int, squeezed: int) -> None:
        super().__init__()
        self.residual_group = nn.Sequential(*(AttentionBlock(features, squeezed) for _ in range(blocks)))
        self.conv = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        return x + self.conv(self.residual_group(x))


class RCAN(ResidualFrame):
    """RCAN (Zhang et al., ECCV 2018): groups of residual blocks with channel attention."""

    architecture = "RCAN"
    config: RCANConfig

    def __init__(self, config: RCANConfig) -> None:
        groups = (ResidualGroup(config.features, config.blocks, config.squeezed) for _ in range(config.groups))
        super().__init__(config, groups)


def config_from(state: State) -> RCANConfig:
    """The hyper-parameters, from shapes; raises CheckpointError where these make no sense."""
    features, in_channels = shape(state, "conv_first.weight", 4)[:2]
    return RCANConfig(
        scale=scale_of_stages(state, "upsample."),
        in_channels=in_channels,
        features=features,
        groups=count(state, "body."),
        blocks=count(state, "body.0.residual_group."),
        squeezed=shape(state, f"{FIRST_BLOCK}3.attention.1.weight", 4)[0],
    )


def from_official(state: State) -> dict[str, Tensor]:
    """The official names, ``head``, ``body`` and ``tail``, translated to BasicSR's; mean shifts checked."""
    return renamed(without_mean_shift(state), OFFICIAL_RULES)


ENTRY = Entry(
    name="RCAN",
    paper="Zhang et al., Image super-resolution using very deep residual channel attention networks, ECCV 2018",
    namings=(
        Naming(
            "BasicSR",
            ("conv_first.weight", f"{FIRST_BLOCK}0.weight", f"{FIRST_BLOCK}3.attention.1.weight", "upsample.0.weight"),
        ),
        Naming(
            "official",
            (
                "head.0.weight",
                "body.0.body.0.body.0.weight",
                "body.0.body.0.body.3.conv_du.0.weight",
                "tail.0.0.weight",
            ),
            from_official,
        ),
    ),
    config_from=config_from,
    build=RCAN,
    options=PIXEL_RANGE,
)
