"""EDSR, baseline and large, and its checkpoints in the official naming and in BasicSR's.

The frame around its residual blocks is shared with RCAN and stands in `residual.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from intaglio.arch.entry import Entry, Naming, State, count, shape
from intaglio.arch.options import PIXEL_RANGE, number
from intaglio.arch.renaming import HEAD_AND_TAIL, renamed, without_mean_shift
from intaglio.arch.residual import ResidualBlock, ResidualFrame
from intaglio.arch.upsample import scale_of_stages

LARGE_FEATURES = 256
LARGE_RES_SCALE = 0.1

OFFICIAL_RULES = (
    (r"body\.(\d+)\.body\.0\.(weight|bias)", r"body.\1.conv1.\2"),
    (r"body\.(\d+)\.body\.2\.(weight|bias)", r"body.\1.conv2.\2"),
    *HEAD_AND_TAIL,
)


@dataclass(frozen=True)
class EDSRConfig:
    """Hyper-parameters of EDSR; the defaults are those of the baseline.

    No tensor shows `res_scale` and `pixel_range`: loading assumes 0.1 for networks at least 256 channels wide, else 1,
    and 0..255 as both code bases do; override them for networks trained otherwise.
    """

    scale: int
    in_channels: int = 3
    features: int = 64
    blocks: int = 16
    res_scale: float = 1.0
    pixel_range: float = 255.0


class EDSR(ResidualFrame):
    """EDSR (Lim et al., CVPRW 2017): residual blocks without normalisation between two convolutions."""

    architecture = "EDSR"
    config: EDSRConfig

    def __init__(self, config: EDSRConfig) -> None:
        super().__init__(config, (ResidualBlock(config.features, config.res_scale) for _ in range(config.blocks)))


def config_from(state: State) -> EDSRConfig:
    """The hyper-parameters, from shapes; raises CheckpointError where these make no sense."""
    features, in_channels = shape(state, "conv_first.weight", 4)[:2]
    return EDSRConfig(
        scale=scale_of_stages(state, "upsample."),
        in_channels=in_channels,
        features=features,
        blocks=count(state, "body."),
        res_scale=LARGE_RES_SCALE if features >= LARGE_FEATURES else 1.0,
    )


def from_official(state: State) -> dict[str, Tensor]:
    """The official names, ``head``, ``body`` and ``tail``, translated to BasicSR's; mean shifts checked."""
    return renamed(without_mean_shift(state), OFFICIAL_RULES)


ENTRY = Entry(
    name="EDSR",
    paper="Lim et al., Enhanced deep residual networks for single image super-resolution, CVPRW 2017",
    namings=(
        Naming("BasicSR", ("conv_first.weight", "body.0.conv1.weight", "conv_after_body.weight", "upsample.0.weight")),
        Naming(
            "official", ("head.0.weight", "body.0.body.0.weight", "tail.0.0.weight", "tail.1.weight"), from_official
        ),
    ),
    config_from=config_from,
    build=EDSR,
    options={**PIXEL_RANGE, "res_scale": ("res_scale", number)},
)
