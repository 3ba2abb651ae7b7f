"""DAT for super-resolution: attention over windows and attention over channels in turn, in all its published sizes.

Blocks are in `dat_blocks.py`; how its checkpoints are recognised is in `dat_entry.py`.
"""

# Calls of submodules are typed Any by torch.
# mypy: disable-error-code="no-any-return"
from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intaglio.arch.dat_blocks import BRANCHES, Block, BlockConfig, ChannelAttention, Masks, SpatialAttention
from intaglio.arch.frame import TransformerFrame
from intaglio.arch.reconstruction import FEATURES, ResidualConv, Upsampler, residual_conv
from intaglio.arch.windows import Window, shift_mask
from intaglio.errors import CheckpointError

LARGEST_WINDOW = 64
"""In pixels, of either side."""

SHIFT_PERIOD = 4
"""Every second block attends over windows, and every second of these shifts them."""


@dataclass(frozen=True)
class DATConfig:
    """Hyper-parameters of DAT; the defaults are those of the lightweight network.

    `depths` and `heads` have one number per residual group, `split` is the window of attention in rows and columns,
    None where it is not known yet. The DIV2K mean is subtracted from RGB. No tensor shows `pixel_range`: loading
    assumes 1, as all published networks have it.

    Raises: CheckpointError where the numbers do not fit each other.
    """

    scale: int
    in_channels: int = 3
    embed_dim: int = 60
    depths: tuple[int, ...] = (18,)
    heads: tuple[int, ...] = (6,)
    split: Window | None = field(
        default=(8, 32), metadata={"asked": "the window of attention, (8, 16) for DAT-S or (8, 32) for DAT-2"}
    )
    mlp_hidden: int = 120
    upsampler: Upsampler = Upsampler.DIRECT
    residual: ResidualConv = ResidualConv.THREE
    features: int = FEATURES
    qkv_bias: bool = True

    pixel_range: float = 1.0
    multiple: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if self.split is not None:
            _check_window(self.split)
        if self.embed_dim < 16 * BRANCHES or self.mlp_hidden % 2:
            raise CheckpointError(
                f"DAT with {self.embed_dim} channels and {self.mlp_hidden} hidden ones is refused; take another copy."
            )
        for heads in self.heads:
            if heads % BRANCHES or self.embed_dim % heads:
                raise CheckpointError(
                    f"DAT with {self.embed_dim} channels cannot have {heads} heads; take another copy."
                )

    @property
    def window(self) -> Window:
        """`split`, where it is known."""
        assert self.split is not None, "loading asks for it"
        return self.split

    def blocks(self, group: int) -> BlockConfig:
        """What the blocks of one group share."""
        return BlockConfig(self.embed_dim, self.heads[group], self.window, self.mlp_hidden, self.qkv_bias)


class DAT(TransformerFrame):
    """DAT (Chen et al., ICCV 2023): groups of blocks that aggregate over pixels and over channels in turn."""

    architecture = "DAT"
    config: DATConfig
    before_RG: nn.Sequential  # noqa: N815 (the official name)
    layers: nn.ModuleList
    norm: nn.LayerNorm

    def __init__(self, config: DATConfig) -> None:
        super().__init__(
            config,
            {
                # The official sequence begins with a rearrangement of axes.
                "before_RG": nn.Sequential(OrderedDict({"1": nn.LayerNorm(config.embed_dim)})),
                "layers": nn.ModuleList(ResidualGroup(config, group) for group in range(len(config.depths))),
                "norm": nn.LayerNorm(config.embed_dim),
            },
        )

    def deep_features(self, tokens: Float[Tensor, "n h w dim"]) -> Float[Tensor, "n h w dim"]:
        height, width = tokens.shape[1:3]
        masks = branch_masks(self.config.blocks(0), height, width, tokens.device)
        x = self.before_RG(tokens)
        for group in self.layers:
            x = group(x, masks)
        return self.norm(x)

    def feature_taps(self) -> tuple[str, ...]:
        """The residual groups; outputs are (N, H, W, C)."""
        return tuple(f"layers.{index}" for index in range(len(self.config.depths)))

    def norm_readers(self) -> tuple[tuple[str, str], ...]:
        """Every LayerNorm of a block with the linear layer that alone reads it."""
        blocks = [
            f"layers.{index}.blocks.{block}" for index, depth in enumerate(self.config.depths) for block in range(depth)
        ]
        pairs = (("norm1", "attn.qkv"), ("norm2", "ffn.fc1"))
        return tuple((f"{block}.{norm}", f"{block}.{reader}") for block in blocks for norm, reader in pairs)


class ResidualGroup(nn.Module):
    """Blocks of both kinds in turn, a convolution and a residual connection. Shapes: (N, H, W, C) to the same."""

    def __init__(self, config: DATConfig, group: int) -> None:
        super().__init__()
        shared = config.blocks(group)
        # The published shifts: in blocks 2, 6, 10, … of even groups, in blocks 0, 4, 8, … of odd ones.
        first_shifted = 2 if group % 2 == 0 else 0
        self.blocks = nn.ModuleList(
            Block(
                shared,
                ChannelAttention(shared)
                if index % 2
                else SpatialAttention(shared, shifted=index % SHIFT_PERIOD == first_shifted),
            )
            for index in range(config.depths[group])
        )
        self.conv = residual_conv(config.residual, config.embed_dim)

    def forward(self, x: Float[Tensor, "n h w dim"], masks: Masks) -> Float[Tensor, "n h w dim"]:
        features = x
        for block in self.blocks:
            features = block(features, masks)
        return x + self.conv(features.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


def branch_masks(config: BlockConfig, height: int, width: int, device: torch.device) -> Masks:
    """The masks of shifted windows of both branches, for feature maps of `height` x `width` in whole windows."""
    first, second = (
        shift_mask(config.padded(height), config.padded(width), config.window(branch), config.shift(branch), device)
        for branch in range(BRANCHES)
    )
    return first, second


def _check_window(split: Window) -> None:
    """Raises: CheckpointError for windows that no picture can be cut into both ways (remedy: another window)."""
    small = len(split) == 2 and all(isinstance(side, int) and 1 < side <= LARGEST_WINDOW for side in split)
    if not small or max(split) % min(split):
        raise CheckpointError(
            f"DAT with windows of {split} is refused; give two sides of 2 to {LARGEST_WINDOW} px,"
            " one a multiple of the other."
        )
