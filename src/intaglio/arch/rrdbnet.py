"""RRDBNet, the network of ESRGAN and Real-ESRGAN, and its checkpoints in BasicSR's naming and in both older ones.

Networks for factors 1 and 2 may begin by moving pixels into channels, so that all their work is at low resolution.
"""

# Calls of submodules are typed Any by torch.
# mypy: disable-error-code="no-any-return"
from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu, pixel_unshuffle

from intaglio.arch.entry import Entry, Naming, State, check_scale, count, exact_root, shape
from intaglio.arch.network import SRNetwork
from intaglio.arch.padding import extend_symmetric, next_multiple
from intaglio.arch.renaming import Rules, renamed
from intaglio.errors import CheckpointError

SLOPE = 0.2
"""Of every leaky ReLU."""

RESIDUAL_SCALE = 0.2
"""Of every residual."""

DENSE_CONVOLUTIONS = 5
DENSE_BLOCKS = 3
"""Of a residual block."""

TRUNK_RULES: Rules = (
    (r"RRDB_trunk\.(\d+)\.RDB(\d)\.(conv\d)\.(weight|bias)", r"body.\1.rdb\2.\3.\4"),
    (r"trunk_conv\.(weight|bias)", r"conv_body.\1"),
    (r"upconv(\d)\.(weight|bias)", r"conv_up\1.\2"),
    (r"HRconv\.(weight|bias)", r"conv_hr.\1"),
)
"""The naming of the first public release."""


@dataclass(frozen=True)
class RRDBNetConfig:
    """Hyper-parameters of RRDBNet; the defaults are those of ESRGAN. Pictures are in [0, 1].

    `unshuffle` is the side of the squares of pixels that become channels before the first convolution.

    Raises: CheckpointError where the factors do not fit each other.
    """

    scale: int
    in_channels: int = 3
    features: int = 64
    growth: int = 32
    blocks: int = 23
    unshuffle: int = 1

    pixel_range: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        enlarged = self.scale * self.unshuffle
        if self.scale not in (1, 2, 4, 8) or self.unshuffle not in (1, 2, 4) or enlarged > 8:
            raise CheckpointError(
                f"RRDBNet of scale {self.scale} with squares of {self.unshuffle} pixels is refused; take another copy."
            )

    @property
    def doublings(self) -> int:
        """How often feature maps are doubled."""
        return (self.scale * self.unshuffle).bit_length() - 1


class DenseBlock(nn.Module):
    """Five convolutions, each of which reads what all before it gave (ESRGAN, figure 4)."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        for number in range(1, DENSE_CONVOLUTIONS + 1):
            out = features if number == DENSE_CONVOLUTIONS else growth
            self.add_module(f"conv{number}", nn.Conv2d(features + (number - 1) * growth, out, 3, padding=1))

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Shapes: (N, C, H, W) to the same."""
        known = x
        for number in range(1, DENSE_CONVOLUTIONS):
            found = leaky_relu(self.get_submodule(f"conv{number}")(known), SLOPE)
            known = torch.cat((known, found), dim=1)
        return x + self.get_submodule(f"conv{DENSE_CONVOLUTIONS}")(known) * RESIDUAL_SCALE


class ResidualDenseBlock(nn.Module):
    """Three dense blocks with a residual around them (ESRGAN's RRDB)."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        for number in range(1, DENSE_BLOCKS + 1):
            self.add_module(f"rdb{number}", DenseBlock(features, growth))

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Shapes: (N, C, H, W) to the same."""
        y = x
        for number in range(1, DENSE_BLOCKS + 1):
            y = self.get_submodule(f"rdb{number}")(y)
        return x + y * RESIDUAL_SCALE


class RRDBNet(SRNetwork):
    """RRDBNet (Wang et al., ESRGAN, ECCVW 2018; Real-ESRGAN, ICCVW 2021).

    Pictures whose sides are no multiple of `unshuffle` are extended by mirroring, and the result is cropped.
    """

    architecture = "RRDBNet"
    config: RRDBNetConfig

    def __init__(self, config: RRDBNetConfig) -> None:
        super().__init__(config)
        features, channels = config.features, config.in_channels
        self.conv_first = nn.Conv2d(channels * config.unshuffle**2, features, 3, padding=1)
        self.body = nn.Sequential(*(ResidualDenseBlock(features, config.growth) for _ in range(config.blocks)))
        self.conv_body = nn.Conv2d(features, features, 3, padding=1)
        self.doublings = tuple(f"conv_up{number}" for number in range(1, config.doublings + 1))
        for name in (*self.doublings, "conv_hr"):
            self.add_module(name, nn.Conv2d(features, features, 3, padding=1))
        self.conv_last = nn.Conv2d(features, channels, 3, padding=1)

    def upscale(self, image: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c height width"]:
        h, w = image.shape[-2:]
        side = self.config.unshuffle
        padded = extend_symmetric(image, next_multiple(h, side), next_multiple(w, side))
        shallow = self.conv_first(pixel_unshuffle(padded, side))
        x = shallow + self.conv_body(self.body(shallow))
        for name in self.doublings:
            x = leaky_relu(self.get_submodule(name)(interpolate(x, scale_factor=2, mode="nearest")), SLOPE)
        upscaled = self.conv_last(leaky_relu(self.get_submodule("conv_hr")(x), SLOPE))
        return upscaled[..., : h * self.scale, : w * self.scale]

    def feature_taps(self) -> tuple[str, ...]:
        """The residual blocks; outputs are (N, C, H, W)."""
        return tuple(f"body.{index}" for index in range(len(self.body)))

    def first_and_last(self) -> tuple[str, str]:
        return "conv_first", "conv_last"


def config_from(state: State) -> RRDBNetConfig:
    """The hyper-parameters, from shapes; raises CheckpointError where these make no sense."""
    features, read = shape(state, "conv_first.weight", 4)[:2]
    in_channels = shape(state, "conv_last.weight", 4)[0]
    unshuffle = exact_root(read // in_channels, "conv_first.weight")
    doublings = sum(f"conv_up{number}.weight" in state for number in (1, 2, 3))
    scale, rest = divmod(2**doublings, max(unshuffle, 1))
    if rest or read % in_channels:
        raise CheckpointError("'conv_first.weight' does not fit 'conv_last.weight'; take another copy.")
    return RRDBNetConfig(
        scale=check_scale(scale, smallest=1),
        in_channels=in_channels,
        features=features,
        growth=shape(state, "body.0.rdb1.conv1.weight", 4)[0],
        blocks=count(state, "body."),
        unshuffle=unshuffle,
    )


def from_first_release(state: State) -> dict[str, Tensor]:
    """The state dict in BasicSR's names, from those of ESRGAN's first public code."""
    return renamed(state, TRUNK_RULES)


def from_sequence(state: State) -> dict[str, Tensor]:
    """The state dict in BasicSR's names, from members of one sequence, numbered, as the oldest code saved them.

    The trunk is member 1 and ends in a convolution; doublings are members 3, 6, …; the last two convolutions follow.

    Raises: CheckpointError if the members are no such sequence (remedy: another copy).
    """
    numbers = sorted({int(key.partition(".")[0]) for key in state if key.partition(".")[0].isdigit()})
    doublings = len(numbers) - 4
    expected = [0, 1, *(3 * number for number in range(1, doublings + 1)), 3 * doublings + 2, 3 * doublings + 4]
    if doublings < 0 or numbers != expected:
        raise CheckpointError(f"the members {numbers} are not those of an ESRGAN; take another copy.")
    blocks = count(state, "1.sub.") - 1
    ups = tuple((rf"{3 * number}\.(weight|bias)", rf"conv_up{number}.\1") for number in range(1, doublings + 1))
    return renamed(
        state,
        (
            (r"0\.(weight|bias)", r"conv_first.\1"),
            (r"1\.sub\.(\d+)\.RDB(\d)\.(conv\d)\.0\.(weight|bias)", r"body.\1.rdb\2.\3.\4"),
            (rf"1\.sub\.{blocks}\.(weight|bias)", r"conv_body.\1"),
            *ups,
            (rf"{numbers[-2]}\.(weight|bias)", r"conv_hr.\1"),
            (rf"{numbers[-1]}\.(weight|bias)", r"conv_last.\1"),
        ),
    )


ENTRY = Entry(
    name="RRDBNet",
    paper="Wang et al., ESRGAN: Enhanced super-resolution generative adversarial networks, ECCVW 2018",
    namings=(
        Naming("BasicSR", ("conv_first.weight", "body.0.rdb1.conv1.weight", "conv_body.weight", "conv_hr.weight")),
        Naming(
            "first release",
            ("conv_first.weight", "RRDB_trunk.0.RDB1.conv1.weight", "trunk_conv.weight", "HRconv.weight"),
            from_first_release,
        ),
        Naming("sequence", ("0.weight", "1.sub.0.RDB1.conv1.0.weight", "1.sub.0.RDB3.conv5.0.weight"), from_sequence),
    ),
    config_from=config_from,
    build=RRDBNet,
)
