"""SRVGGNetCompact, the fast network of Real-ESRGAN: convolutions in a row at low resolution, and its checkpoints.

Tensor names are the official ones.
"""

# Calls of submodules are typed Any by torch.
# mypy: disable-error-code="no-any-return"
from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate, pixel_shuffle

from intaglio.arch.entry import Entry, Naming, State, check_scale, exact_root, shape
from intaglio.arch.network import SRNetwork
from intaglio.errors import CheckpointError

SLOPE = 0.1
"""Of the leaky ReLU, in networks that have it."""


class Activation(StrEnum):
    """What stands between the convolutions; names as in the official code."""

    PRELU = "prelu"
    """With a slope for each channel: every published network."""
    RELU = "relu"
    LEAKY_RELU = "leakyrelu"


@dataclass(frozen=True)
class CompactConfig:
    """Hyper-parameters of SRVGGNetCompact; the defaults are those of ``realesr-general-x4v3``. Pictures are in [0, 1].

    `convolutions` counts those between the first and the last. `activation` is None where it is not known yet: only
    slopes of a PReLU are in a file.
    """

    scale: int
    in_channels: int = 3
    features: int = 64
    convolutions: int = 32
    activation: Activation | None = field(
        default=Activation.PRELU, metadata={"asked": "what follows each convolution, relu or leakyrelu"}
    )

    pixel_range: ClassVar[float] = 1.0


class SRVGGNetCompact(SRNetwork):
    """SRVGGNetCompact (Wang et al., ICCVW 2021): convolutions, one pixel shuffle, the nearest picture added."""

    architecture = "SRVGGNetCompact"
    config: CompactConfig

    def __init__(self, config: CompactConfig) -> None:
        super().__init__(config)
        features, channels = config.features, config.in_channels
        layers: list[nn.Module] = [nn.Conv2d(channels, features, 3, padding=1), _activation(config)]
        for _ in range(config.convolutions):
            layers += [nn.Conv2d(features, features, 3, padding=1), _activation(config)]
        self.body = nn.Sequential(*layers, nn.Conv2d(features, channels * config.scale**2, 3, padding=1))

    def upscale(self, image: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c height width"]:
        detail = pixel_shuffle(self.body(image), self.scale)
        return detail + interpolate(image, scale_factor=self.scale, mode="nearest")

    def feature_taps(self) -> tuple[str, ...]:
        """The activations; outputs are (N, C, H, W)."""
        return tuple(f"body.{index}" for index in range(1, len(self.body), 2))

    def first_and_last(self) -> tuple[str, str]:
        return "body.0", f"body.{len(self.body) - 1}"


def config_from(state: State) -> CompactConfig:
    """The hyper-parameters, from shapes; raises CheckpointError where these make no sense."""
    features, in_channels = shape(state, "body.0.weight", 4)[:2]
    numbers = sorted({int(number) for _, number, *_ in (key.split(".") for key in state) if number.isdigit()})
    last = f"body.{numbers[-1]}.weight"
    if numbers[-1] % 2 or set(range(0, numbers[-1], 2)) - set(numbers):
        raise CheckpointError("convolutions should be every second member of 'body', in a row; take another copy.")
    return CompactConfig(
        scale=check_scale(exact_root(shape(state, last, 4)[0] // in_channels, last), smallest=1),
        in_channels=in_channels,
        features=features,
        convolutions=numbers[-1] // 2 - 1,
        activation=Activation.PRELU if "body.1.weight" in state else None,
    )


def _activation(config: CompactConfig) -> nn.Module:
    if config.activation is Activation.PRELU:
        return nn.PReLU(config.features)
    return nn.LeakyReLU(SLOPE) if config.activation is Activation.LEAKY_RELU else nn.ReLU()


ENTRY = Entry(
    name="SRVGGNetCompact",
    paper="Wang et al., Real-ESRGAN: Training real-world blind super-resolution with pure synthetic data, ICCVW 2021",
    namings=(Naming("official", ("body.0.weight", "body.0.bias", "body.2.weight", "body.2.bias")),),
    config_from=config_from,
    build=SRVGGNetCompact,
    options={"act_type": ("activation", Activation)},
)
