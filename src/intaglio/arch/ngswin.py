"""NGswin: three stages of N-gram Swin blocks that halve the picture, one bottleneck, one stage at full size.

What windows know of their neighbours is in `ngram.py`; tensor names are the official ones.
"""

# Calls of submodules are typed Any by torch.
# mypy: disable-error-code="no-any-return"
from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, max_pool2d, pixel_shuffle

from intaglio.arch.entry import Entry, Naming, State, count, exact_root, shape
from intaglio.arch.network import SRNetwork
from intaglio.arch.ngram import NGRAM, CosineAttention, NGramContext, NGramPartition
from intaglio.arch.padding import extend_symmetric, next_multiple
from intaglio.arch.swin_block import Mlp
from intaglio.arch.upsample import scale_at_once
from intaglio.arch.windows import attend_windows, shift_mask
from intaglio.errors import CheckpointError

STAGES = 3
"""Of the encoder; each after the first has maps of half the size."""

HALVED = 2 ** (STAGES - 1)
"""By how much the last stage's maps are smaller than the picture."""

MEAN = (0.4485, 0.4375, 0.4045)
DEVIATIONS = {2: (0.2397, 0.2290, 0.2389), 3: (0.2373, 0.2265, 0.2367), 4: (0.2352, 0.2244, 0.2349)}
"""Of the training pictures at each scale, by which the official code normalises."""

LARGEST_WINDOW = 64
COMPUTED = re.compile(r".+\.(relative_position_index|attn_mask)")
FIRST_BLOCK = "encoder_layer1.blocks.0."


@dataclass(frozen=True)
class NGswinConfig:
    """Hyper-parameters of NGswin; the defaults are the published ones. Pictures are RGB in [0, 1].

    `depths` and `heads` have one number for each stage of the encoder and one, the last, for the decoder.

    Raises: CheckpointError where the numbers do not fit each other.
    """

    scale: int
    embed_dim: int = 64
    depths: tuple[int, ...] = (6, 4, 4, 6)
    heads: tuple[int, ...] = (6, 4, 4, 6)
    window: int = 8
    mlp_hidden: int = 128
    qkv_bias: bool = True

    in_channels: ClassVar[int] = len(MEAN)
    pixel_range: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        if self.scale not in DEVIATIONS:
            raise CheckpointError(f"NGswin has no scale {self.scale}; choose one of {tuple(DEVIATIONS)}.")
        if self.embed_dim % 16 or self.embed_dim < 2 * max(self.heads) or not 1 < self.window <= LARGEST_WINDOW:
            raise CheckpointError(
                f"NGswin with {self.embed_dim} channels, {max(self.heads)} heads and windows of {self.window} pixels is"
                " refused; take another copy."
            )


class NGswin(SRNetwork):
    """NGswin (Choi et al., CVPR 2023).

    Pictures are extended by mirroring to multiples of four windows, as the official script does, and to two windows of
    the smallest map at least, because windows look at their neighbours.
    """

    architecture = "NGswin"
    feature_channel_axis = -1
    config: NGswinConfig

    def __init__(self, config: NGswinConfig) -> None:
        super().__init__(config)
        self.register_buffer("mean", torch.tensor(MEAN).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATIONS[config.scale]).view(1, -1, 1, 1), persistent=False)
        self.mean: Tensor
        self.deviation: Tensor
        dim, channels = config.embed_dim, config.in_channels
        self.shallow_extract = nn.Sequential(OrderedDict(conv1=nn.Conv2d(channels, dim, 3, padding=1)))
        for stage in range(STAGES):
            self.add_module(f"encoder_layer{stage + 1}", Stage(config, stage))
        self.bottleneck = Bottleneck(dim)
        self.decoder_layer1 = Stage(config, STAGES)
        self.norm = nn.LayerNorm(dim)
        self.to_target = nn.Sequential(
            OrderedDict(
                before_shuffle=nn.Conv2d(dim, channels * config.scale**2, 3, padding=1),
                shuffler=nn.PixelShuffle(config.scale),
                to_origin=nn.Conv2d(channels, channels, 3, padding=1),
            )
        )

    def upscale(self, image: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c height width"]:
        h, w = image.shape[-2:]
        unit = HALVED * self.config.window
        padded = extend_symmetric(image, *(max(next_multiple(side, unit), NGRAM * unit) for side in (h, w)))
        shallow = self.shallow_extract((padded - self.mean) / self.deviation).permute(0, 2, 3, 1)
        first, deep = self.encoded(shallow)
        decoded, _ = self.decoder_layer1.both(deep + first)
        upscaled = self.to_target((self.norm(decoded) + shallow).permute(0, 3, 1, 2))
        return (upscaled * self.deviation + self.mean)[..., : h * self.scale, : w * self.scale]

    def encoded(
        self, shallow: Float[Tensor, "n h w dim"]
    ) -> tuple[Float[Tensor, "n h w dim"], Float[Tensor, "n h w dim"]]:
        """What the first stage gave, and the features of all stages at full size. Shapes: (N, H, W, C) both."""
        known, features = shallow, []
        for stage in range(STAGES):
            layer = self.get_submodule(f"encoder_layer{stage + 1}")
            assert isinstance(layer, Stage)
            found, down = layer.both(known)
            features.append(found)
            if stage < STAGES - 1:
                known = torch.cat((halved(known), down), dim=-1)
        return features[0], self.bottleneck(shallow, features)

    def feature_taps(self) -> tuple[str, ...]:
        """The last block of each stage; outputs are (N, H, W, C), of the stage's size."""
        stages = (*(f"encoder_layer{stage + 1}" for stage in range(STAGES)), "decoder_layer1")
        return tuple(f"{stage}.blocks.{depth - 1}" for stage, depth in zip(stages, self.config.depths, strict=True))

    def first_and_last(self) -> tuple[str, str]:
        return "shallow_extract.conv1", "to_target.to_origin"


class Stage(nn.Module):
    """Blocks, each of which also reads what the one before it read; a merging of pixels follows where maps shrink.

    It has two outputs, and modules here have one: hence a method instead of ``forward``.
    """

    def __init__(self, config: NGswinConfig, stage: int) -> None:
        super().__init__()
        dim, encodes = config.embed_dim, stage < STAGES
        if 0 < stage < STAGES:
            self.across_cascade_proj = nn.Linear(dim * (stage + 1), dim)
        self.projects = 0 < stage < STAGES
        self.window = config.window
        shifts = (0, config.window // 2)
        self.blocks = nn.ModuleList(Block(config, stage, shifts[i % 2]) for i in range(config.depths[stage]))
        self.shrinks = encodes and stage < STAGES - 1
        if self.shrinks:
            self.downsample = PatchMerging(dim)

    def both(
        self, x: Float[Tensor, "n h w wide"]
    ) -> tuple[Float[Tensor, "n h w dim"], Float[Tensor, "n height width dim"]]:
        """The features, and what the next stage reads: the same where nothing shrinks."""
        if self.projects:
            x = self.across_cascade_proj(x)
        height, width = x.shape[1:3]
        mask = shift_mask(height, width, self.window, self.window // 2, x.device)
        read, found = x, self.blocks[0](x, mask)
        for block in self.blocks[1:]:
            read = found + read
            found = block(read, mask)
        return found, self.downsample(found + read) if self.shrinks else found


class Block(nn.Module):
    """Attention within windows that know of their neighbours, and a perceptron; each normalised, then added."""

    def __init__(self, config: NGswinConfig, stage: int, shift: int) -> None:
        super().__init__()
        dim, heads, window = config.embed_dim, config.heads[stage], config.window
        embed = nn.Conv2d(dim, dim // 2, window, stride=window, groups=dim // 2)
        mixed = CosineAttention(dim // 2, heads, NGRAM, dim // 2 // heads, qkv_bias=True)
        self.window, self.shift = window, shift
        self.ngram_window_partition = NGramPartition(NGramContext(dim, embed, mixed))
        self.attn = CosineAttention(dim, heads, window, dim // heads, config.qkv_bias)
        self.norm1 = nn.LayerNorm(dim)
        self.ffn = Mlp(dim, config.mlp_hidden)
        self.norm2 = nn.LayerNorm(dim)

    def forward(
        self, x: Float[Tensor, "n h w dim"], mask: Float[Tensor, "windows tokens tokens"]
    ) -> Float[Tensor, "n h w dim"]:
        """Shapes: (N, H, W, C) to the same, H and W multiples of the window. `mask`: see `windows.shift_mask`."""
        x = x + self.norm1(self.attend(self.ngram_window_partition(x), mask))
        return x + self.norm2(self.ffn(x))

    def attend(
        self, x: Float[Tensor, "n h w dim"], mask: Float[Tensor, "windows tokens tokens"]
    ) -> Float[Tensor, "n h w dim"]:
        """Attention within (shifted) windows. Shapes: (N, H, W, C) to the same."""
        return attend_windows(self.attn, x, mask, self.window, self.shift)


class PatchMerging(nn.Module):
    """Four pixels of a square side by side, normalised and projected. Shapes: (N, H, W, C) to (N, H / 2, W / 2, C)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * dim)
        self.reduction = nn.Linear(4 * dim, dim, bias=False)

    def forward(self, x: Float[Tensor, "n h w dim"]) -> Float[Tensor, "n height width dim"]:
        corners = [x[:, dy::2, dx::2] for dy in (0, 1) for dx in (0, 1)]
        return self.reduction(self.norm(torch.cat(corners, dim=-1)))


class Bottleneck(nn.Module):
    """All stages at full size, joined, convolved and projected (the paper's SCDP bottleneck)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        joined = sum(dim // 4**stage for stage in range(STAGES))
        self.depthwise = nn.Conv2d(joined, joined, 3, padding=1, groups=joined)
        self.act = nn.GELU()
        self.pointwise = nn.Linear(joined, dim)
        self.norm = nn.LayerNorm(dim)

    def forward(self, shallow: Float[Tensor, "n h w dim"], features: list[Tensor]) -> Float[Tensor, "n h w dim"]:
        """Shapes: (N, H, W, C) and the features of each stage to (N, H, W, C)."""
        pooled, spread = shallow, []
        for stage, found in enumerate(features):
            pooled = halved(pooled) if stage else pooled
            maps = (found + leaky_relu(pooled)).permute(0, 3, 1, 2)
            spread.append(pixel_shuffle(maps, 2**stage))
        joined = self.act(self.depthwise(torch.cat(spread, dim=1)))
        return self.norm(self.pointwise(joined.permute(0, 2, 3, 1)))


def halved(x: Float[Tensor, "n h w c"]) -> Float[Tensor, "n half_h half_w c"]:
    """The largest of each square of four pixels. Shapes: (N, H, W, C) to (N, H / 2, W / 2, C)."""
    return max_pool2d(x.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)


def config_from(state: State) -> NGswinConfig:
    """The hyper-parameters, from shapes; raises CheckpointError where these make no sense."""
    embed_dim, in_channels = shape(state, "shallow_extract.conv1.weight", 4)[:2]
    if in_channels != NGswinConfig.in_channels:
        raise CheckpointError(f"NGswin reads RGB pictures, not {in_channels} channels; take another copy.")
    stages = (*(f"encoder_layer{stage + 1}" for stage in range(STAGES)), "decoder_layer1")
    table = f"{FIRST_BLOCK}attn.relative_position_bias_table"
    return NGswinConfig(
        scale=scale_at_once(state, "to_target.before_shuffle.weight", in_channels),
        embed_dim=embed_dim,
        depths=tuple(count(state, f"{stage}.blocks.") for stage in stages),
        heads=tuple(shape(state, f"{stage}.blocks.0.attn.logit_scale", 3)[0] for stage in stages),
        window=(exact_root(shape(state, table, 2)[0], table) + 1) // 2,
        mlp_hidden=shape(state, f"{FIRST_BLOCK}ffn.fc1.weight", 2)[0],
        qkv_bias=f"{FIRST_BLOCK}attn.qkv.bias" in state,
    )


def without_buffers(state: State) -> dict[str, Tensor]:
    """The state dict without what the network computes."""
    return {key: value for key, value in state.items() if not COMPUTED.fullmatch(key)}


ENTRY = Entry(
    name="NGswin",
    paper="Choi et al., N-gram in Swin transformers for efficient lightweight image super-resolution, CVPR 2023",
    namings=(
        Naming(
            label="official",
            keys=(
                "shallow_extract.conv1.weight",
                f"{FIRST_BLOCK}ngram_window_partition.ngram_context.unigram_embed.weight",
                f"{FIRST_BLOCK}attn.logit_scale",
                "decoder_layer1.blocks.0.attn.logit_scale",
                "bottleneck.depthwise.weight",
                "to_target.before_shuffle.weight",
            ),
            canonical=without_buffers,
        ),
    ),
    config_from=config_from,
    build=NGswin,
)
