"""One Swin transformer block: attention within windows, then a two-layer perceptron, each with a residual.

Both attention products are named modules; the order of residual groups around the blocks is in `swinir.py`.
"""

# Calls of submodules are typed Any by torch.
# mypy: disable-error-code="no-any-return"
from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intaglio.arch.layers import Attention, FusedLinear, Linear, MatMul
from intaglio.arch.windows import attend_windows, relative_position_index


class SwinBlock(nn.Module):
    """Window attention and perceptron on normalised tokens (Swin Transformer, equation 3).

    With `shift` > 0 the feature map is rolled by as many pixels before it is cut into windows, and back afterwards.
    """

    def __init__(self, dim: int, heads: int, window: int, shift: int, mlp_hidden: int, qkv_bias: bool) -> None:
        super().__init__()
        self.window = window
        self.shift = shift
        self.norm1 = nn.LayerNorm(dim)
        self.attn = WindowAttention(dim, heads, window, qkv_bias)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim, mlp_hidden)

    def forward(
        self, x: Float[Tensor, "n h w dim"], mask: Float[Tensor, "windows tokens tokens"]
    ) -> Float[Tensor, "n h w dim"]:
        """Shapes: (N, H, W, C) to the same, H and W multiples of the window. `mask`: see `windows.shift_mask`."""
        x = x + self.attend(self.norm1(x), mask)
        return x + self.mlp(self.norm2(x))

    def attend(
        self, x: Float[Tensor, "n h w dim"], mask: Float[Tensor, "windows tokens tokens"]
    ) -> Float[Tensor, "n h w dim"]:
        """Attention within (shifted) windows. Shapes: (N, H, W, C) to the same."""
        return attend_windows(self.attn, x, mask, self.window, self.shift)


class WindowAttention(nn.Module):
    """Multi-head attention among the tokens of a window, with a learned bias per relative position.

    Query is scaled by ``head_dim**-0.5`` before the product `scores`, so that a quantizer there sees it scaled.
    """

    def __init__(self, dim: int, heads: int, window: int, qkv_bias: bool) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = FusedLinear(dim, 3 * dim, parts=("q", "k", "v"), bias=qkv_bias)
        self.scores = MatMul()
        self.context = MatMul(one_sided=("a",))
        self.attention = Attention()
        self.proj = Linear(dim, dim)
        self.relative_position_bias_table = nn.Parameter(torch.empty((2 * window - 1) ** 2, heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        self.register_buffer("relative_position_index", relative_position_index(window), persistent=False)
        self.relative_position_index: Tensor

    def forward(
        self, x: Float[Tensor, "windows tokens dim"], mask: Float[Tensor, "one_picture tokens tokens"] | None = None
    ) -> Float[Tensor, "windows tokens dim"]:
        """Shapes: (windows, tokens, C) to the same; `mask` has one map per window of a picture."""
        windows, tokens, dim = x.shape
        qkv = self.qkv(x).view(windows, tokens, 3, self.heads, dim // self.heads)
        q, k, v = (part.transpose(1, 2) for part in qkv.unbind(2))
        bias = self.position_bias()[None]
        bias = bias if mask is None else bias + mask[:, None]
        context = self.attention(self.scores, self.context, q * q.shape[-1] ** -0.5, k, v, bias)
        return self.proj(context.transpose(1, 2).reshape(windows, tokens, dim))

    def position_bias(self) -> Float[Tensor, "heads tokens tokens"]:
        """The bias table spread over all pairs of tokens. Shapes: (heads, tokens, tokens)."""
        return self.relative_position_bias_table[self.relative_position_index].permute(2, 0, 1)


class Mlp(nn.Module):
    """Two linear layers with an exact GELU between them, along the last axis."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = Linear(dim, hidden)
        self.act = nn.GELU()
        self.fc2 = Linear(hidden, dim, one_sided=("input",))

    def forward(self, x: Float[Tensor, "... dim"]) -> Float[Tensor, "... dim"]:
        """Shapes: (..., C) to the same."""
        return self.fc2(self.act(self.fc1(x)))
