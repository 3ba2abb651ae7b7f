"""HiT-SR: networks whose windows grow from block to block, in three forms, and their official checkpoints.

Blocks are in `hit_blocks.py`; tensor names are the official ones.
"""

# Calls of submodules are typed Any by torch.
# mypy: disable-error-code="no-any-return"
from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from intaglio.arch.entry import Entry, Naming, State, count, shape
from intaglio.arch.frame import PatchEmbed, TransformerFrame
from intaglio.arch.hit_blocks import Block, BlockConfig, Form
from intaglio.arch.options import PIXEL_RANGE, numbers, window
from intaglio.arch.reconstruction import FEATURES, ResidualConv, Upsampler, reconstruction_of, residual_conv
from intaglio.arch.windows import Window
from intaglio.errors import CheckpointError

FIRST_BLOCK = "layers.0.residual_group.blocks.0."
LARGEST_WINDOW = 128
"""In pixels, of either side."""

COMPUTED = re.compile(r".+\.relative_position_index|mean")
PUBLISHED_RATIOS = (0.5, 1.0, 2.0, 4.0, 6.0, 8.0)
PUBLISHED_BASE = (8, 8)


@dataclass(frozen=True)
class HiTConfig:
    """Hyper-parameters of HiT-SR; the defaults are those of the published networks.

    `depths` and `heads` have one number per residual group. Block i of a group has windows of `base_window` times
    ``ratios[i]``, cut to whole pixels. No tensor shows these two: they are None where they are not known yet. The DIV2K
    mean is subtracted from RGB. No tensor shows `pixel_range` either: loading assumes 1, as all published networks do.

    Raises: CheckpointError where the numbers do not fit each other.
    """

    scale: int
    in_channels: int = 3
    embed_dim: int = 60
    depths: tuple[int, ...] = (6, 6, 6, 6)
    heads: tuple[int, ...] = (6, 6, 6, 6)
    base_window: Window | None = field(
        default=PUBLISHED_BASE, metadata={"asked": "base_win_size in the training options, such as (8, 8)"}
    )
    ratios: tuple[float, ...] | None = field(
        default=PUBLISHED_RATIOS,
        metadata={"asked": "hier_win_ratios in the training options, such as (0.5, 1, 2, 4, 6, 8)"},
    )
    mlp_hidden: int = 120
    upsampler: Upsampler = Upsampler.DIRECT
    residual: ResidualConv = ResidualConv.ONE
    features: int = FEATURES
    form: Form = Form.SRF

    pixel_range: float = 1.0
    multiple: ClassVar[int] = 1

    def __post_init__(self) -> None:
        for heads in self.heads:
            if self.embed_dim % (2 * heads) or self.embed_dim < 16:
                raise CheckpointError(
                    f"HiT-SR with {self.embed_dim} channels cannot have {heads} heads; take another copy."
                )
        if self.base_window is None or self.ratios is None:
            return
        if len(self.ratios) < max(self.depths):
            raise CheckpointError(
                f"HiT-SR with {max(self.depths)} blocks in a group needs as many ratios, not {len(self.ratios)}."
            )
        for index in range(max(self.depths)):
            window, cells = self.window(index), self.cells(index)
            fits = all(side % number == 0 for side, number in zip(window, cells, strict=True))
            if not fits or not all(1 <= side <= LARGEST_WINDOW for side in window):
                raise CheckpointError(
                    f"HiT-SR with windows of {window} is refused; give sides of 1 to {LARGEST_WINDOW} px that"
                    f" the base window {self.base_window} divides."
                )

    def window(self, index: int) -> Window:
        """The window of every block `index` of a group, in pixels."""
        assert self.base_window is not None, "loading asks for it"
        assert self.ratios is not None, "loading asks for them"
        rows, columns = self.base_window
        return int(rows * self.ratios[index]), int(columns * self.ratios[index])

    def cells(self, index: int) -> Window:
        """Into how many cells the values of a window are averaged: as many as the base window has pixels, at most."""
        assert self.base_window is not None, "loading asks for it"
        window = self.window(index)
        return min(window[0], self.base_window[0]), min(window[1], self.base_window[1])

    def block(self, group: int, index: int) -> BlockConfig:
        """What one block is built from."""
        window, cells = self.window(index), self.cells(index)
        return BlockConfig(self.embed_dim, self.heads[group], self.mlp_hidden, window, cells, self.form)


class HiTSR(TransformerFrame):
    """HiT-SR (Zhang et al., ECCV 2024): HiT-SIR, HiT-SNG and HiT-SRF."""

    architecture = "HiT-SR"
    config: HiTConfig
    patch_embed: PatchEmbed
    layers: nn.ModuleList
    norm: nn.LayerNorm

    def __init__(self, config: HiTConfig) -> None:
        super().__init__(
            config,
            {
                "patch_embed": PatchEmbed(config.embed_dim),
                "layers": nn.ModuleList(ResidualGroup(config, group) for group in range(len(config.depths))),
                "norm": nn.LayerNorm(config.embed_dim),
            },
        )

    def deep_features(self, tokens: Float[Tensor, "n h w dim"]) -> Float[Tensor, "n h w dim"]:
        x = self.patch_embed(tokens)
        for layer in self.layers:
            x = layer(x)
        return self.norm(x)

    def feature_taps(self) -> tuple[str, ...]:
        """The groups before their convolution and residual; outputs are (N, H, W, C)."""
        return tuple(f"layers.{index}.residual_group" for index in range(len(self.layers)))


class Group(nn.Module):
    """Blocks in a row. Shapes: (N, H, W, C) to the same."""

    def __init__(self, config: HiTConfig, group: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(config.block(group, index)) for index in range(config.depths[group]))

    def forward(self, x: Float[Tensor, "n h w dim"]) -> Float[Tensor, "n h w dim"]:
        for block in self.blocks:
            x = block(x)
        return x


class ResidualGroup(nn.Module):
    """Blocks, a convolution and a residual connection. Shapes: (N, H, W, C) to the same."""

    def __init__(self, config: HiTConfig, group: int) -> None:
        super().__init__()
        self.residual_group = Group(config, group)
        self.conv = residual_conv(config.residual, config.embed_dim)

    def forward(self, x: Float[Tensor, "n h w dim"]) -> Float[Tensor, "n h w dim"]:
        return x + self.conv(self.residual_group(x).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


def config_from(state: State) -> HiTConfig:
    """The hyper-parameters, from shapes; windows only where they are the published ones.

    Raises: CheckpointError where shapes make no sense.
    """
    embed_dim, in_channels = shape(state, "conv_first.weight", 4)[:2]
    upsampler, scale, features = reconstruction_of(state, in_channels, "HiT-SR")
    groups = [f"layers.{group}.residual_group.blocks." for group in range(count(state, "layers."))]
    depths = tuple(count(state, group) for group in groups)
    published = embed_dim == HiTConfig.embed_dim and all(_has_published_windows(state, group) for group in groups)
    return HiTConfig(
        scale=scale,
        in_channels=in_channels,
        embed_dim=embed_dim,
        depths=depths,
        heads=tuple(shape(state, f"{group}0.correlation.pos.pos3.2.weight", 2)[0] for group in groups),
        base_window=PUBLISHED_BASE if published else None,
        ratios=PUBLISHED_RATIOS if published else None,
        mlp_hidden=shape(state, f"{FIRST_BLOCK}mlp.fc1.weight", 2)[0],
        upsampler=upsampler,
        residual=ResidualConv.THREE if "conv_after_body.0.weight" in state else ResidualConv.ONE,
        features=features,
        form=_form(state),
    )


def without_buffers(state: State) -> dict[str, Tensor]:
    """The state dict without what the network computes."""
    return {key: value for key, value in state.items() if not COMPUTED.fullmatch(key)}


def _form(state: State) -> Form:
    if f"{FIRST_BLOCK}mlp.dwconv.depthwise_conv.0.weight" in state:
        return Form.SRF
    return (
        Form.SNG if f"{FIRST_BLOCK}correlation.ngram_window_partition.ngram_context.merge.weight" in state else Form.SIR
    )


def _has_published_windows(state: State, group: str) -> bool:
    """Whether pixels in the cells of all blocks are those of the published networks, which no other file has."""
    pixels = [
        shape(state, f"{group}{index}.correlation.spatial_linear.weight", 2)[1] for index in range(count(state, group))
    ]
    return pixels == [max(1, int(ratio)) ** 2 for ratio in PUBLISHED_RATIOS]


ENTRY = Entry(
    name="HiT-SR",
    paper="Zhang et al., HiT-SR: Hierarchical transformer for efficient image super-resolution, ECCV 2024",
    namings=(
        Naming(
            label="official",
            keys=(
                "conv_first.weight",
                f"{FIRST_BLOCK}correlation.qv.linear.weight",
                f"{FIRST_BLOCK}correlation.spatial_linear.weight",
                f"{FIRST_BLOCK}correlation.pos.pos3.2.weight",
                "patch_embed.norm.weight",
                "norm.weight",
            ),
            canonical=without_buffers,
        ),
    ),
    config_from=config_from,
    build=HiTSR,
    options={**PIXEL_RANGE, "base_win_size": ("base_window", window), "hier_win_ratios": ("ratios", numbers)},
)
