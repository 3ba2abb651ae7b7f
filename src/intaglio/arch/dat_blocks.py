"""The two kinds of blocks of DAT: attention within rectangles of pixels, and attention between channels.

Batch normalisations are folded into the convolutions before them, so that a block computes one thing only. How blocks
make a network is in `dat.py`.
"""

# Calls of submodules are typed Any by torch.
# mypy: disable-error-code="no-any-return"
from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pad

from intaglio.arch.layers import Attention, FusedLinear, Linear, MatMul
from intaglio.arch.padding import next_multiple
from intaglio.arch.position import PositionMlp
from intaglio.arch.windows import Window, join_windows, relative_position_index, relative_positions, split_windows

BRANCHES = 2
"""Halves of the channels: one with windows as given, one with windows turned by 90 degrees."""

LEAST = 1e-12
"""What the root mean square of a row is taken to be at least."""

Masks = tuple[Float[Tensor, "windows tokens tokens"], Float[Tensor, "windows tokens tokens"]]
"""For each branch what `windows.shift_mask` gives."""


@dataclass(frozen=True)
class BlockConfig:
    """What the blocks of a network share: `split` is the window of the first branch, (rows, columns)."""

    dim: int
    heads: int
    split: Window
    hidden: int
    qkv_bias: bool

    def window(self, branch: int) -> Window:
        """The window of a branch, in pixels."""
        return self.split if branch == 0 else (self.split[1], self.split[0])

    def padded(self, size: int) -> int:
        """Rows or columns of the whole windows that cover `size` of them."""
        return next_multiple(size, max(self.split))

    def shift(self, branch: int) -> Window:
        """By how much a shifted branch is rolled: half a window."""
        rows, columns = self.window(branch)
        return rows // 2, columns // 2


class Block(nn.Module):
    """Attention and gated perceptron on normalised tokens, each with a residual (DAT, figure 2)."""

    def __init__(self, config: BlockConfig, attention: nn.Module) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(config.dim)
        self.attn = attention
        self.ffn = GatedMlp(config.dim, config.hidden)
        self.norm2 = nn.LayerNorm(config.dim)

    def forward(self, x: Float[Tensor, "n h w dim"], masks: Masks) -> Float[Tensor, "n h w dim"]:
        """Shapes: (N, H, W, C) to the same."""
        x = x + self.attn(self.norm1(x), masks)
        return x + self.ffn(self.norm2(x))


class GatedMlp(nn.Module):
    """Two linear layers; half of the hidden channels, convolved, gate the other half (the paper's SGFN)."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = Linear(dim, hidden)
        self.act = nn.GELU()
        self.sg = SpatialGate(hidden // 2)
        self.fc2 = Linear(hidden // 2, dim)

    def forward(self, x: Float[Tensor, "n h w dim"]) -> Float[Tensor, "n h w dim"]:
        """Shapes: (N, H, W, C) to the same."""
        return self.fc2(self.sg(self.act(self.fc1(x))))


class SpatialGate(nn.Module):
    """The first half of the channels times the second half, normalised and convolved channel by channel."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.conv = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)

    def forward(self, x: Float[Tensor, "n h w double"]) -> Float[Tensor, "n h w half"]:
        """Shapes: (N, H, W, 2 * dim) to (N, H, W, dim)."""
        kept, gate = x.chunk(2, dim=-1)
        return kept * to_tokens(self.conv(to_maps(self.norm(gate))))


class Interaction(nn.Module):
    """Attention beside a convolution of the values, each gated by the other (the paper's AIM).

    A subclass says in `attend` what attention is, and in `gates` which of the two becomes a gate for channels and
    which for pixels.
    """

    def __init__(self, config: BlockConfig) -> None:
        super().__init__()
        dim = config.dim
        self.config = config
        self.qkv = FusedLinear(dim, 3 * dim, parts=("q", "k", "v"), bias=config.qkv_bias)
        self.proj = Linear(dim, dim)
        # The official sequences hold a batch normalisation at the numbers that are left out.
        self.dwconv = _numbered({0: nn.Conv2d(dim, dim, 3, padding=1, groups=dim), 2: nn.GELU()})
        self.channel_interaction = _numbered(
            {
                0: nn.AdaptiveAvgPool2d(1),
                1: nn.Conv2d(dim, dim // 8, 1),
                3: nn.GELU(),
                4: nn.Conv2d(dim // 8, dim, 1),
            }
        )
        self.spatial_interaction = _numbered(
            {0: nn.Conv2d(dim, dim // 16, 1), 2: nn.GELU(), 3: nn.Conv2d(dim // 16, 1, 1)}
        )

    def convolved(self, qkv: Float[Tensor, "n h w triple"]) -> Float[Tensor, "n dim h w"]:
        """The values of all pixels after the convolution beside the attention."""
        return self.dwconv(to_maps(qkv.chunk(3, dim=-1)[2]))


class SpatialAttention(Interaction):
    """Attention within windows of two shapes, one for each half of the channels (DAT, section 3.2, SW-SA).

    Queries, keys and values are continued by zeros to whole windows, as in the official code; zeros take part.
    """

    def __init__(self, config: BlockConfig, shifted: bool) -> None:
        super().__init__(config)
        none = (0, 0)
        self.attns = nn.ModuleList(
            WindowBranch(config, branch, config.shift(branch) if shifted else none) for branch in range(BRANCHES)
        )

    def forward(self, x: Float[Tensor, "n h w dim"], masks: Masks) -> Float[Tensor, "n h w dim"]:
        """Shapes: (N, H, W, C) to the same."""
        h, w, dim = x.shape[1:]
        qkv = self.qkv(x)
        padded = pad(qkv, (0, 0, 0, self.config.padded(w) - w, 0, self.config.padded(h) - h))
        halves = padded.view(*padded.shape[:3], 3, BRANCHES, dim // BRANCHES).unbind(4)
        branches = zip(self.attns, halves, masks, strict=True)
        attended = to_maps(torch.cat([branch(half, mask) for branch, half, mask in branches], dim=-1)[:, :h, :w])
        convolved = self.convolved(qkv)
        for_channels = self.channel_interaction(convolved).sigmoid()
        for_pixels = self.spatial_interaction(attended).sigmoid()
        return self.proj(to_tokens(attended * for_channels + convolved * for_pixels))


class WindowBranch(nn.Module):
    """Attention among the tokens of a window for one half of the channels, biased by a perceptron of the positions."""

    def __init__(self, config: BlockConfig, branch: int, shift: Window) -> None:
        super().__init__()
        self.window = config.window(branch)
        self.shift = shift
        self.heads = config.heads // BRANCHES
        self.pos = PositionMlp(config.dim // BRANCHES // 4 // 4, self.heads)
        self.scores = MatMul()
        self.context = MatMul(one_sided=("a",))
        self.attention = Attention()
        # Kept with the weights, as in official checkpoints: nothing else shows the shape of the window.
        self.register_buffer("rpe_biases", relative_positions(self.window))
        self.register_buffer("relative_position_index", relative_position_index(self.window), persistent=False)
        self.rpe_biases: Tensor
        self.relative_position_index: Tensor

    def forward(
        self, qkv: Float[Tensor, "n h w 3 half"], mask: Float[Tensor, "maps tokens tokens"]
    ) -> Float[Tensor, "n h w half"]:
        """Shapes: (N, H, W, 3, C / 2), query, key and value in whole windows, to (N, H, W, C / 2)."""
        height, width, _, half = qkv.shape[1:]
        rows, columns = self.shift
        bias = self.position_bias()[None]
        if rows or columns:
            qkv = qkv.roll((-rows, -columns), dims=(1, 2))
            bias = bias + mask[:, None]
        cut = split_windows(qkv.flatten(3), self.window)
        windows, tokens, _ = cut.shape
        q, k, v = cut.view(windows, tokens, 3, self.heads, half // self.heads).transpose(1, 3).unbind(2)
        context = self.attention(self.scores, self.context, q * q.shape[-1] ** -0.5, k, v, bias)
        joined = join_windows(context.transpose(1, 2).reshape(windows, tokens, half), height, width, self.window)
        return joined.roll((rows, columns), dims=(1, 2)) if rows or columns else joined

    def position_bias(self) -> Float[Tensor, "heads tokens tokens"]:
        """What each head adds to the score of two tokens, by their relative position."""
        return self.pos(self.rpe_biases)[self.relative_position_index].permute(2, 0, 1)


class ChannelAttention(Interaction):
    """Attention between the channels of a head, over all pixels of the picture (DAT, section 3.2, CW-SA).

    A score is the correlation of a row of the query and one of the key; `temperature` sharpens it. Officially rows are
    scaled to unit length, so that their values shrink as pictures grow, and no grid fits pictures of two sizes. Here
    they have a mean square of 1, and scores are divided by the number of pixels: the same to rounding.
    """

    def __init__(self, config: BlockConfig) -> None:
        super().__init__(config)
        self.scores = MatMul()
        self.context = MatMul(one_sided=("a",))
        self.temperature = nn.Parameter(torch.ones(config.heads, 1, 1))

    def forward(self, x: Float[Tensor, "n h w dim"], masks: Masks) -> Float[Tensor, "n h w dim"]:
        """Shapes: (N, H, W, C) to the same. `masks` are not for this kind of attention."""
        n, h, w, dim = x.shape
        qkv = self.qkv(x)
        channels_first = qkv.view(n, h * w, 3, self.config.heads, -1).permute(2, 0, 3, 4, 1)
        q, k, v = channels_first.unbind(0)
        q, k = unit_mean_square(q), unit_mean_square(k)
        # As many as there are pixels; said by a tensor, so that programs for pictures of any size have it.
        pixels = q.square().sum(dim=-1, keepdim=True).clamp_min(1.0)
        found = self.scores(q, k.transpose(-2, -1)) / pixels
        context = self.context((found * self.temperature).softmax(dim=-1), v)
        attended = context.reshape(n, dim, h, w)
        convolved = self.convolved(qkv)
        for_channels = self.channel_interaction(attended).sigmoid()
        for_pixels = self.spatial_interaction(convolved).sigmoid()
        return self.proj(to_tokens(attended * for_pixels + convolved * for_channels))


def unit_mean_square(x: Float[Tensor, "*rows n"]) -> Float[Tensor, "*rows n"]:
    """Each row over the root of its mean square.

    >>> unit_mean_square(torch.tensor([[3.0, -3.0], [0.0, 0.0]])).tolist()
    [[1.0, -1.0], [0.0, 0.0]]
    """
    return x / x.square().mean(dim=-1, keepdim=True).sqrt().clamp_min(LEAST)


def to_maps(x: Float[Tensor, "n h w c"]) -> Float[Tensor, "n c h w"]:
    """From (N, H, W, C) to (N, C, H, W)."""
    return x.permute(0, 3, 1, 2)


def to_tokens(x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n h w c"]:
    """From (N, C, H, W) to (N, H, W, C)."""
    return x.permute(0, 2, 3, 1)


def _numbered(members: dict[int, nn.Module]) -> nn.Sequential:
    return nn.Sequential(OrderedDict((str(number), module) for number, module in members.items()))
