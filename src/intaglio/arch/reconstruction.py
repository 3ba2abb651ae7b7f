"""From features to the larger picture: the three forms that transformer networks share, under BasicSR's tensor names.

The modules stand at the top of a network, so they are added to it rather than kept in one of their own.
"""

# Calls of submodules are typed Any by torch.
# mypy: disable-error-code="no-any-return"
from __future__ import annotations

from enum import StrEnum
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu

from intaglio.arch.entry import State, shape
from intaglio.arch.network import NetworkConfig
from intaglio.arch.upsample import scale_at_once, scale_of_stages, shuffle_at_once, shuffle_stages
from intaglio.errors import CheckpointError

FEATURES = 64
"""Width of the reconstruction in every published network that has one."""


class Upsampler(StrEnum):
    """How features become the larger picture; names as in the official code."""

    DIRECT = "pixelshuffledirect"
    """One convolution and one pixel shuffle: lightweight SR."""
    PIXEL_SHUFFLE = "pixelshuffle"
    """Stages of pixel shuffles at constant width: classical SR."""
    NEAREST_CONV = "nearest+conv"
    """Nearest-neighbour doubling, each followed by a convolution: real-world SR."""


class ResidualConv(StrEnum):
    """The convolution that ends each residual group, and the body."""

    ONE = "1conv"
    THREE = "3conv"
    """A bottleneck of three with a quarter of the channels."""


@runtime_checkable
class ReconstructionConfig(NetworkConfig, Protocol):
    """What `add_reconstruction` reads of a configuration."""

    @property
    def embed_dim(self) -> int:
        """Width of the body, in channels."""

    @property
    def upsampler(self) -> Upsampler:
        """The form."""

    @property
    def features(self) -> int:
        """Width of the reconstruction, in channels; without meaning in the direct form."""


def residual_conv(kind: ResidualConv, dim: int) -> nn.Module:
    """The convolution after a group of blocks, one layer or a bottleneck of three; shapes stay (N, dim, H, W)."""
    if kind is ResidualConv.ONE:
        return nn.Conv2d(dim, dim, 3, padding=1)
    return nn.Sequential(
        nn.Conv2d(dim, dim // 4, 3, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(dim // 4, dim // 4, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(dim // 4, dim, 3, padding=1),
    )


def add_reconstruction(network: nn.Module, config: ReconstructionConfig) -> None:
    """Give a network the modules that `reconstruct` calls."""
    width, channels = config.features, config.in_channels
    if config.upsampler is Upsampler.DIRECT:
        network.add_module("upsample", shuffle_at_once(config.scale, config.embed_dim, channels))
        return
    before = nn.Sequential(nn.Conv2d(config.embed_dim, width, 3, padding=1), nn.LeakyReLU(0.01))
    network.add_module("conv_before_upsample", before)
    if config.upsampler is Upsampler.PIXEL_SHUFFLE:
        network.add_module("upsample", shuffle_stages(config.scale, width))
    else:
        for name in (*_doublings(config.scale), "conv_hr"):
            network.add_module(name, nn.Conv2d(width, width, 3, padding=1))
    network.add_module("conv_last", nn.Conv2d(width, channels, 3, padding=1))


def reconstruct(
    network: nn.Module, config: ReconstructionConfig, x: Float[Tensor, "n dim h w"]
) -> Float[Tensor, "n c height width"]:
    """The larger picture, by the modules of `add_reconstruction`. Shapes: (N, dim, H, W) to (N, C, H * s, W * s)."""
    if config.upsampler is Upsampler.DIRECT:
        return network.get_submodule("upsample")(x)
    x = network.get_submodule("conv_before_upsample")(x)
    if config.upsampler is Upsampler.PIXEL_SHUFFLE:
        x = network.get_submodule("upsample")(x)
    else:
        for name in _doublings(config.scale):
            doubled = interpolate(x, scale_factor=2, mode="nearest")
            x = leaky_relu(network.get_submodule(name)(doubled), 0.2)
        x = leaky_relu(network.get_submodule("conv_hr")(x), 0.2)
    return network.get_submodule("conv_last")(x)


def last_convolution(upsampler: Upsampler) -> str:
    """The name of the last convolution of a form."""
    return "upsample.0" if upsampler is Upsampler.DIRECT else "conv_last"


def reconstruction_of(state: State, out_channels: int, name: str) -> tuple[Upsampler, int, int]:
    """The form, the scale and the width of the reconstruction of a state dict of the architecture `name`.

    Raises: CheckpointError if there is none, as in networks for denoising (remedy: one for super-resolution).
    """
    if "conv_before_upsample.0.weight" in state:
        features = shape(state, "conv_before_upsample.0.weight", 4)[0]
        if "upsample.0.weight" in state:
            return Upsampler.PIXEL_SHUFFLE, scale_of_stages(state, "upsample."), features
        return Upsampler.NEAREST_CONV, 4 if "conv_up2.weight" in state else 2, features
    if "upsample.0.weight" in state:
        return Upsampler.DIRECT, scale_at_once(state, "upsample.0.weight", out_channels), FEATURES
    raise CheckpointError(
        f"this {name} has no upsampler: it is one for denoising or JPEG artifacts;"
        " choose a super-resolution checkpoint."
    )


def _doublings(scale: int) -> tuple[str, ...]:
    if scale not in (2, 4):
        raise CheckpointError(f"the reconstruction '{Upsampler.NEAREST_CONV}' has no scale {scale}; choose 2 or 4.")
    return {2: ("conv_up1",), 4: ("conv_up1", "conv_up2")}[scale]
