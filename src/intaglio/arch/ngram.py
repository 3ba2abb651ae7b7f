"""N-gram context: what a window is told of the windows beside it before attention looks at its pixels alone.

Source: Choi et al., "N-gram in Swin transformers for efficient lightweight image super-resolution", CVPR 2023, section
3.2, for pairs of windows (bigrams), as in every published network.
"""

# Calls of submodules are typed Any by torch.
# mypy: disable-error-code="no-any-return"
from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import normalize, pad

from intaglio.arch.layers import FusedLinear, Linear, MatMul
from intaglio.arch.windows import relative_position_index

NGRAM = 2
"""Windows in a row or column that see each other."""

LARGEST_LOGIT = 4.605170185988092
"""Of a logarithm of a temperature: log 100."""


class NGramPartition(nn.Module):
    """Adds to every token the context of its window. Shapes: (N, H, W, C) to the same, at least two windows a side."""

    def __init__(self, context: NGramContext) -> None:
        super().__init__()
        self.ngram_context = context

    def forward(self, x: Float[Tensor, "n h w c"]) -> Float[Tensor, "n h w c"]:
        context = self.ngram_context(x)
        rows, columns = context.shape[1:3]
        height, width = x.shape[1] // rows, x.shape[2] // columns
        spread = x.view(-1, rows, height, columns, width, x.shape[3]) + context[:, :, None, :, None]
        return spread.view(x.shape)


class NGramContext(nn.Module):
    """One vector for each window from those below and right of it, and from those above and left of it.

    `embed` makes half as many channels of the tokens of a window, `attention` mixes those of four windows. Both
    directions go through `attention` in one pass, so that it has one input.
    """

    def __init__(self, dim: int, embed: nn.Module, attention: nn.Module) -> None:
        super().__init__()
        self.unigram_embed = embed
        self.ngram_attn = attention
        self.merge = nn.Conv2d(dim, dim, 1)

    def forward(self, x: Float[Tensor, "n h w c"]) -> Float[Tensor, "n rows columns c"]:
        """Shapes: (N, H, W, C) to (N, windows of a column, windows of a row, C)."""
        unigrams = self.embedded(x.permute(0, 3, 1, 2))
        n, half, rows, columns = unigrams.shape
        ahead = pad(unigrams, (0, 1, 0, 1), mode="reflect")
        behind = pad(unigrams, (1, 0, 1, 0), mode="reflect")
        both = torch.cat((ahead, behind)).permute(0, 2, 3, 1)
        corners = [both[:, dy : dy + rows, dx : dx + columns] for dy in range(NGRAM) for dx in range(NGRAM)]
        attended = self.ngram_attn(torch.stack(corners, dim=3).view(-1, NGRAM**2, half))
        context = attended.mean(dim=1).view(2, n, rows, columns, half).unbind(0)
        return self.merge(torch.cat(context, dim=-1).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)

    def embedded(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n half rows columns"]:
        """Shapes: (N, C, H, W) to (N, C / 2, windows of a column, windows of a row)."""
        return self.unigram_embed(x)


class SharedNGramContext(NGramContext):
    """The same with one embedding for all pairs of channels, which spares parameters where windows are large."""

    def embedded(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n half rows columns"]:
        pairs = self.unigram_embed(x.reshape(-1, 2, *x.shape[2:]))
        return pairs.view(x.shape[0], x.shape[1] // 2, *pairs.shape[2:])


class CosineAttention(nn.Module):
    """Multi-head attention among the tokens of a window by angles (Swin Transformer V2, equation 2), with a bias table.

    Query and key have unit length; a learned temperature for each head, at most 100, sharpens their product.
    """

    def __init__(self, dim: int, heads: int, window: int, head_dim: int, qkv_bias: bool) -> None:
        super().__init__()
        self.heads = heads
        self.logit_scale = nn.Parameter(torch.full((heads, 1, 1), 10.0).log())
        self.qkv = FusedLinear(dim, 3 * heads * head_dim, parts=("q", "k", "v"), bias=qkv_bias)
        self.scores = MatMul()
        self.context = MatMul(one_sided=("a",))
        self.proj = Linear(heads * head_dim, dim)
        self.relative_position_bias_table = nn.Parameter(torch.empty((2 * window - 1) ** 2, heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        self.register_buffer("relative_position_index", relative_position_index(window), persistent=False)
        self.relative_position_index: Tensor

    def forward(
        self, x: Float[Tensor, "windows tokens dim"], mask: Float[Tensor, "one_picture tokens tokens"] | None = None
    ) -> Float[Tensor, "windows tokens dim"]:
        """Shapes: (windows, tokens, C) to the same; `mask` has one map per window of a picture."""
        windows, tokens, _ = x.shape
        q, k, v = self.qkv(x).view(windows, tokens, 3, self.heads, -1).transpose(1, 3).unbind(2)
        found = self.scores(normalize(q, dim=-1), normalize(k, dim=-1).transpose(-2, -1))
        found = found * self.logit_scale.clamp(max=LARGEST_LOGIT).exp() + self.position_bias()
        if mask is not None:
            found = (found.view(-1, len(mask), *found.shape[1:]) + mask[:, None]).view(found.shape)
        context = self.context(found.softmax(dim=-1), v)
        return self.proj(context.transpose(1, 2).reshape(windows, tokens, -1))

    def position_bias(self) -> Float[Tensor, "heads tokens tokens"]:
        """The bias table spread over all pairs of tokens."""
        return self.relative_position_bias_table[self.relative_position_index].permute(2, 0, 1)
