"""The blocks of HiT-SR: correlations within windows that grow from block to block, without a softmax.

How blocks make a network is in `hit.py`.
"""

# Calls of submodules are typed Any by torch.
# mypy: disable-error-code="no-any-return"
from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from intaglio.arch.layers import Linear, MatMul
from intaglio.arch.ngram import NGRAM, NGramPartition, SharedNGramContext
from intaglio.arch.padding import extend_reflected, next_multiple
from intaglio.arch.position import PositionMlp
from intaglio.arch.swin_block import Mlp, WindowAttention
from intaglio.arch.windows import Window, join_windows, relative_positions, split_windows


class Form(StrEnum):
    """Which network the hierarchical windows were built into; names as in the official code."""

    SIR = "HiT-SIR"
    """SwinIR."""
    SNG = "HiT-SNG"
    """SwinIR-NG: windows know of their neighbours."""
    SRF = "HiT-SRF"
    """SRFormer: a depthwise convolution in the perceptron."""


@dataclass(frozen=True)
class BlockConfig:
    """What a block is built from: its `window`, and the `cells` (rows and columns) that its keys are averaged to."""

    dim: int
    heads: int
    hidden: int
    window: Window
    cells: Window
    form: Form

    @property
    def cell(self) -> Window:
        """Pixels of a cell, in rows and columns."""
        return self.window[0] // self.cells[0], self.window[1] // self.cells[1]


class Block(nn.Module):
    """Correlation and perceptron, each normalised and then added to its input (HiT-SR, figure 3)."""

    def __init__(self, config: BlockConfig) -> None:
        super().__init__()
        times = NGRAM if config.form is Form.SNG else 1
        self.multiples = (config.window[0] * times, config.window[1] * times)
        self.norm1 = nn.LayerNorm(config.dim)
        self.correlation = Correlation(config)
        self.norm2 = nn.LayerNorm(config.dim)
        self.mlp = (
            ConvolvedMlp(config.dim, config.hidden) if config.form is Form.SRF else Mlp(config.dim, config.hidden)
        )

    def forward(self, x: Float[Tensor, "n h w dim"]) -> Float[Tensor, "n h w dim"]:
        """Shapes: (N, H, W, C) to the same; maps are mirrored to whole windows and cropped."""
        h, w = x.shape[1:3]
        rows, columns = self.multiples
        extended = extend_reflected(x, next_multiple(h, rows), next_multiple(w, columns))
        x = x + self.norm1(self.correlation(extended)[:, :h, :w])
        return x + self.norm2(self.mlp(x))


class Correlation(nn.Module):
    """Correlations of pixels with cells and of channels with channels within a window (HiT-SR, equations 4 to 8).

    Half of the features are queries, half are values, which are keys as well. The products are `scores` and `context`
    over space, `channel_scores` and `channel_context` over channels.
    """

    def __init__(self, config: BlockConfig) -> None:
        super().__init__()
        self.config = config
        self.qv = DualFeatures(config.dim)
        self.proj = Linear(config.dim, config.dim)
        self.spatial_linear = Linear(config.cell[0] * config.cell[1], 1)
        self.pos = PositionMlp(config.dim // 4 // 4, config.heads)
        if config.form is Form.SNG:
            self.ngram_window_partition = _neighbours(config)
        self.scores, self.context = MatMul(), MatMul()
        self.channel_scores, self.channel_context = MatMul(), MatMul()
        self.register_buffer("positions", relative_positions(config.window), persistent=False)
        self.register_buffer("cell_index", cell_index(config.window, config.cells), persistent=False)
        self.positions: Tensor
        self.cell_index: Tensor

    def forward(self, x: Float[Tensor, "n h w dim"]) -> Float[Tensor, "n h w dim"]:
        """Shapes: (N, H, W, C) to the same, in whole windows."""
        height, width = x.shape[1:3]
        qv = self.qv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        if self.config.form is Form.SNG:
            qv = self.ngram_window_partition(qv)
        q, v = split_windows(qv, self.config.window).chunk(2, dim=-1)
        both = torch.cat((self.over_space(q, v), self.over_channels(q, v)), dim=-1)
        return self.proj(join_windows(both, height, width, self.config.window))

    def over_space(
        self, q: Float[Tensor, "windows tokens half"], v: Float[Tensor, "windows tokens half"]
    ) -> Float[Tensor, "windows tokens half"]:
        """Every pixel gathers the values of all cells. Shapes: (windows, tokens, C / 2) to the same."""
        windows, tokens, half = q.shape
        heads, (rows, columns), (high, wide) = self.config.heads, self.config.cells, self.config.cell
        cut = v.view(windows, rows, high, columns, wide, heads, half // heads).permute(0, 5, 1, 3, 6, 2, 4)
        values = self.spatial_linear(cut.reshape(windows, heads, rows * columns, half // heads, high * wide))[..., 0]
        queries = q.view(windows, tokens, heads, half // heads).transpose(1, 2)
        found = self.scores(queries, values.transpose(-2, -1)) / (half // heads) + self.position_bias()
        return self.context(found, values).transpose(1, 2).reshape(windows, tokens, half)

    def over_channels(
        self, q: Float[Tensor, "windows tokens half"], v: Float[Tensor, "windows tokens half"]
    ) -> Float[Tensor, "windows tokens half"]:
        """Every channel gathers the values of all channels. Shapes: (windows, tokens, C / 2) to the same."""
        found = self.channel_scores(q.transpose(-2, -1), v) / q.shape[1]
        return self.channel_context(found, v.transpose(-2, -1)).transpose(-2, -1)

    def position_bias(self) -> Float[Tensor, "heads tokens cells"]:
        """For every pixel and cell the mean over the cell's pixels of what the perceptron says of their positions.

        Cells are rectangles, so that means over them are taken in the table of relative positions.
        """
        rows, columns = self.config.window
        table = self.pos(self.positions).T.view(1, -1, 2 * rows - 1, 2 * columns - 1)
        means = avg_pool2d(table, self.config.cell, stride=1)[0].flatten(1)
        return means[:, self.cell_index]


class DualFeatures(nn.Module):
    """A bottleneck of convolutions times a pointwise convolution (HiT-SR's DFE). Shapes: (N, C, H, W) to the same."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        narrow = dim // 5
        self.conv = nn.Sequential(
            nn.Conv2d(dim, narrow, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(narrow, narrow, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(narrow, dim, 1),
        )
        self.linear = nn.Conv2d(dim, dim, 1)

    def forward(self, x: Float[Tensor, "n dim h w"]) -> Float[Tensor, "n dim h w"]:
        return self.conv(x) * self.linear(x)


class ConvolvedMlp(nn.Module):
    """Two linear layers with a depthwise convolution beside the activations. Shapes: (N, H, W, C) to the same.

    What `fc2` reads is a sum of two outputs of a GELU: bounded below near zero.
    """

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = Linear(dim, hidden)
        self.act = nn.GELU()
        self.dwconv = DepthwiseGelu(hidden)
        self.fc2 = Linear(hidden, dim, one_sided=("input",))

    def forward(self, x: Float[Tensor, "n h w dim"]) -> Float[Tensor, "n h w dim"]:
        hidden = self.act(self.fc1(x))
        return self.fc2(hidden + self.dwconv(hidden.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))


class DepthwiseGelu(nn.Module):
    """A convolution of each channel, and a GELU. Shapes: (N, C, H, W) to the same."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.depthwise_conv = nn.Sequential(nn.Conv2d(dim, dim, 5, padding=2, groups=dim), nn.GELU())

    def forward(self, x: Float[Tensor, "n dim h w"]) -> Float[Tensor, "n dim h w"]:
        return self.depthwise_conv(x)


def cell_index(window: Window, cells: Window) -> Int[Tensor, "tokens cells"]:
    """For every pixel and cell of a window the entry of the pooled table of relative positions that holds their mean.

    A table of ``2 * side - 1`` positions, pooled over the ``side / cells`` pixels of a cell, has ``2 * side - pixels``.

    >>> cell_index((1, 4), (1, 2)).tolist()  # cells of 2 pixels: means over positions -3 and -2, -2 and -1, ...
    [[2, 0], [3, 1], [4, 2], [5, 3]]
    """
    along = []
    for side, number in zip(window, cells, strict=True):
        pixels = side // number
        # Relative positions of pixel p to the cell's pixels begin at p - (c + 1) * pixels + 1, entry side - 1 is zero.
        along.append(torch.arange(side)[:, None] - (torch.arange(number)[None] + 1) * pixels + side)
    width = 2 * window[1] - window[1] // cells[1]
    index = along[0][:, None, :, None] * width + along[1][None, :, None, :]
    return index.reshape(window[0] * window[1], cells[0] * cells[1])


def _neighbours(config: BlockConfig) -> NGramPartition:
    embed = nn.Conv2d(2, 1, config.window, stride=config.window)
    attention = WindowAttention(config.dim // 2, config.heads, NGRAM, qkv_bias=True)
    return NGramPartition(SharedNGramContext(config.dim, embed, attention))
