"""SwinIR for super-resolution, in its lightweight, classical and real-world forms, under the official tensor names.

How its checkpoints are recognised is in `swinir_entry.py`; window geometry is in `windows.py`.
"""

# Calls of submodules are typed Any by torch.
# mypy: disable-error-code="no-any-return"
from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu

from intaglio.arch.layers import colour_mean
from intaglio.arch.network import SRNetwork
from intaglio.arch.padding import extend_symmetric, next_multiple
from intaglio.arch.swin_block import SwinBlock
from intaglio.arch.upsample import shuffle_at_once, shuffle_stages
from intaglio.arch.windows import shift_mask
from intaglio.errors import CheckpointError

LARGEST_WINDOW = 64


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
    """A bottleneck of three with a quarter of the channels: the large real-world network."""


@dataclass(frozen=True)
class SwinIRConfig:
    """Hyper-parameters of SwinIR; the defaults are those of the lightweight network.

    `depths` and `heads` have one number per residual group. `features` is the width of the reconstruction in the
    classical and real-world forms. Pictures are in [0, 1] and the DIV2K mean is subtracted from RGB.

    Raises: CheckpointError where the numbers do not fit each other.
    """

    scale: int
    in_channels: int = 3
    embed_dim: int = 60
    depths: tuple[int, ...] = (6, 6, 6, 6)
    heads: tuple[int, ...] = (6, 6, 6, 6)
    window: int = 8
    mlp_hidden: int = 120
    upsampler: Upsampler = Upsampler.DIRECT
    residual: ResidualConv = ResidualConv.ONE
    features: int = 64
    qkv_bias: bool = True

    pixel_range: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        if not 1 < self.window <= LARGEST_WINDOW:
            raise CheckpointError(
                f"SwinIR with windows of {self.window} pixels is refused; 2 to {LARGEST_WINDOW} are known."
            )
        if self.upsampler is Upsampler.NEAREST_CONV and self.scale not in (2, 4):
            raise CheckpointError(f"SwinIR with {self.upsampler} has no scale {self.scale}; choose 2 or 4.")
        for heads in self.heads:
            if self.embed_dim % heads:
                raise CheckpointError(
                    f"SwinIR with {self.embed_dim} channels cannot have {heads} heads; take another copy."
                )


class SwinIR(SRNetwork):
    """SwinIR (Liang et al., ICCVW 2021): shallow convolution, Swin transformer groups, reconstruction.

    Pictures are extended by mirroring only where a side is no multiple of the window, and the result is cropped
    (2DQuant's convention; the official script always adds up to a whole window, which moves PSNR by about 0.01 dB).
    Odd blocks always shift by half a window: that of the official code with training patches larger than a window.
    """

    architecture = "SwinIR"
    feature_channel_axis = -1
    config: SwinIRConfig

    def __init__(self, config: SwinIRConfig) -> None:
        super().__init__(config)
        self.register_buffer("mean", colour_mean(config.in_channels), persistent=False)
        self.mean: Tensor
        dim = config.embed_dim
        self.conv_first = nn.Conv2d(config.in_channels, dim, 3, padding=1)
        self.patch_embed = PatchEmbed(dim)
        self.layers = nn.ModuleList(
            ResidualSwinGroup(config, depth, heads) for depth, heads in zip(config.depths, config.heads, strict=True)
        )
        self.norm = nn.LayerNorm(dim)
        self.conv_after_body = residual_conv(config.residual, dim)

    def upscale(self, image: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c height width"]:
        h, w = image.shape[-2:]
        window = self.config.window
        padded = extend_symmetric(image, next_multiple(h, window), next_multiple(w, window))
        shallow = self.conv_first(padded - self.mean)
        upscaled = self.reconstruct(self.deep_features(shallow)) + self.mean
        return upscaled[..., : h * self.scale, : w * self.scale]

    def deep_features(self, shallow: Float[Tensor, "n dim h w"]) -> Float[Tensor, "n dim h w"]:
        """The body with its long residual. Shapes: (N, dim, H, W), H and W multiples of the window."""
        window = self.config.window
        mask = shift_mask(shallow.shape[-2], shallow.shape[-1], window, window // 2, shallow.device)
        x = self.patch_embed(shallow)
        for layer in self.layers:
            x = layer(x, mask)
        return shallow + self.conv_after_body(self.norm(x).permute(0, 3, 1, 2))

    @abstractmethod
    def reconstruct(self, features: Float[Tensor, "n dim h w"]) -> Float[Tensor, "n c height width"]:
        """From features to the upscaled picture, before the mean is added."""

    def feature_taps(self) -> tuple[str, ...]:
        """The groups before their convolution and residual, as in 2DQuant's release; outputs are (N, H, W, C)."""
        return tuple(f"layers.{index}.residual_group" for index in range(len(self.layers)))

    def norm_readers(self) -> tuple[tuple[str, str], ...]:
        """Every LayerNorm inside a block with the linear layer that alone reads it."""
        blocks = [
            f"layers.{index}.residual_group.blocks.{position}"
            for index, depth in enumerate(self.config.depths)
            for position in range(depth)
        ]
        pairs = (("norm1", "attn.qkv"), ("norm2", "mlp.fc1"))
        return tuple((f"{block}.{norm}", f"{block}.{reader}") for block in blocks for norm, reader in pairs)

    def first_and_last(self) -> tuple[str, str]:
        return "conv_first", "conv_last"


class SwinIRDirect(SwinIR):
    """The lightweight form: one convolution and one pixel shuffle."""

    def __init__(self, config: SwinIRConfig) -> None:
        super().__init__(config)
        self.upsample = shuffle_at_once(config.scale, config.embed_dim, config.in_channels)

    def reconstruct(self, features: Float[Tensor, "n dim h w"]) -> Float[Tensor, "n c height width"]:
        return self.upsample(features)

    def first_and_last(self) -> tuple[str, str]:
        return "conv_first", "upsample.0"


class SwinIRPixelShuffle(SwinIR):
    """The classical form: pixel shuffles at constant width between two convolutions."""

    def __init__(self, config: SwinIRConfig) -> None:
        super().__init__(config)
        width = config.features
        self.conv_before_upsample = nn.Sequential(nn.Conv2d(config.embed_dim, width, 3, padding=1), nn.LeakyReLU(0.01))
        self.upsample = shuffle_stages(config.scale, width)
        self.conv_last = nn.Conv2d(width, config.in_channels, 3, padding=1)

    def reconstruct(self, features: Float[Tensor, "n dim h w"]) -> Float[Tensor, "n c height width"]:
        return self.conv_last(self.upsample(self.conv_before_upsample(features)))


class SwinIRNearestConv(SwinIR):
    """The real-world form, scale 2 or 4: nearest-neighbour doubling, each time with a convolution after it."""

    def __init__(self, config: SwinIRConfig) -> None:
        super().__init__(config)
        width = config.features
        self.conv_before_upsample = nn.Sequential(nn.Conv2d(config.embed_dim, width, 3, padding=1), nn.LeakyReLU(0.01))
        self.doublings = {2: ("conv_up1",), 4: ("conv_up1", "conv_up2")}[config.scale]
        for name in (*self.doublings, "conv_hr"):
            self.add_module(name, nn.Conv2d(width, width, 3, padding=1))
        self.conv_last = nn.Conv2d(width, config.in_channels, 3, padding=1)

    def reconstruct(self, features: Float[Tensor, "n dim h w"]) -> Float[Tensor, "n c height width"]:
        x = self.conv_before_upsample(features)
        for name in self.doublings:
            doubled = interpolate(x, scale_factor=2, mode="nearest")
            x = leaky_relu(self.get_submodule(name)(doubled), 0.2)
        return self.conv_last(leaky_relu(self.get_submodule("conv_hr")(x), 0.2))


class PatchEmbed(nn.Module):
    """From (N, C, H, W) to normalised tokens (N, H, W, C); a patch is one pixel."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Float[Tensor, "n dim h w"]) -> Float[Tensor, "n h w dim"]:
        return self.norm(x.permute(0, 2, 3, 1))


class SwinGroup(nn.Module):
    """Transformer blocks in a row, every second one with shifted windows. Shapes: (N, H, W, C) to the same."""

    def __init__(self, config: SwinIRConfig, depth: int, heads: int) -> None:
        super().__init__()
        shifts = (0, config.window // 2)
        self.blocks = nn.ModuleList(
            SwinBlock(config.embed_dim, heads, config.window, shifts[index % 2], config.mlp_hidden, config.qkv_bias)
            for index in range(depth)
        )

    def forward(
        self, x: Float[Tensor, "n h w dim"], mask: Float[Tensor, "windows tokens tokens"]
    ) -> Float[Tensor, "n h w dim"]:
        for block in self.blocks:
            x = block(x, mask)
        return x


class ResidualSwinGroup(nn.Module):
    """Swin blocks, a convolution and a residual connection (the paper's RSTB). Shapes: (N, H, W, C) to the same."""

    def __init__(self, config: SwinIRConfig, depth: int, heads: int) -> None:
        super().__init__()
        self.residual_group = SwinGroup(config, depth, heads)
        self.conv = residual_conv(config.residual, config.embed_dim)

    def forward(
        self, x: Float[Tensor, "n h w dim"], mask: Float[Tensor, "windows tokens tokens"]
    ) -> Float[Tensor, "n h w dim"]:
        features = self.residual_group(x, mask).permute(0, 3, 1, 2)
        return self.conv(features).permute(0, 2, 3, 1) + x


def residual_conv(kind: ResidualConv, dim: int) -> nn.Module:
    """The convolution after a group of blocks, one layer or a bottleneck of three."""
    if kind is ResidualConv.ONE:
        return nn.Conv2d(dim, dim, 3, padding=1)
    return nn.Sequential(
        nn.Conv2d(dim, dim // 4, 3, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(dim // 4, dim // 4, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(dim // 4, dim, 3, padding=1),
    )
