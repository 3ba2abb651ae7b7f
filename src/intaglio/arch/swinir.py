"""SwinIR for super-resolution, in its lightweight, classical and real-world forms, under the official tensor names.

How its checkpoints are recognised is in `swinir_entry.py`; window geometry is in `windows.py`.
"""

# Calls of submodules are typed Any by torch.
# mypy: disable-error-code="no-any-return"
from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from intaglio.arch.frame import PatchEmbed, TransformerFrame
from intaglio.arch.reconstruction import FEATURES, ResidualConv, Upsampler, residual_conv
from intaglio.arch.swin_block import SwinBlock
from intaglio.arch.windows import shift_mask
from intaglio.errors import CheckpointError

LARGEST_WINDOW = 64


@dataclass(frozen=True)
class SwinIRConfig:
    """Hyper-parameters of SwinIR; the defaults are those of the lightweight network.

    `depths` and `heads` have one number per residual group. `features` is the width of the reconstruction in the
    classical and real-world forms. The DIV2K mean is subtracted from
    RGB. No tensor shows `pixel_range`: loading assumes 1, as all published networks have it.

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
    features: int = FEATURES
    qkv_bias: bool = True

    pixel_range: float = 1.0

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

    @property
    def multiple(self) -> int:
        """Sides of pictures are extended to multiples of the window."""
        return self.window


class SwinIR(TransformerFrame):
    """SwinIR (Liang et al., ICCVW 2021): shallow convolution, Swin transformer groups, reconstruction.

    Pictures are extended by mirroring only where a side is no multiple of the window, and the result is cropped
    (2DQuant's convention; the official script always adds up to a whole window, which moves PSNR by about 0.01 dB).
    Odd blocks always shift by half a window: that of the official code with training patches larger than a window.
    """

    architecture = "SwinIR"
    config: SwinIRConfig
    patch_embed: PatchEmbed
    layers: nn.ModuleList
    norm: nn.LayerNorm

    def __init__(self, config: SwinIRConfig) -> None:
        groups = zip(config.depths, config.heads, strict=True)
        super().__init__(
            config,
            {
                "patch_embed": PatchEmbed(config.embed_dim),
                "layers": nn.ModuleList(ResidualSwinGroup(config, depth, heads) for depth, heads in groups),
                "norm": nn.LayerNorm(config.embed_dim),
            },
        )

    def deep_features(self, tokens: Float[Tensor, "n h w dim"]) -> Float[Tensor, "n h w dim"]:
        window, (height, width) = self.config.window, tokens.shape[1:3]
        mask = shift_mask(height, width, window, window // 2, tokens.device)
        x = self.patch_embed(tokens)
        for layer in self.layers:
            x = layer(x, mask)
        return self.norm(x)

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
