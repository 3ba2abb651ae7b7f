"""Small networks as strangers write them, for tests that walk them: attention in several hands, and oddities."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional


def seeded(make: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(7)
    return make().eval()


class FusedAttention(nn.Module):
    """q, k and v by one linear and `chunk`, products by ``@``, a LayerNorm before."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm, self.qkv, self.proj = nn.LayerNorm(dim), nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.norm(x)).chunk(3, -1)
        return x + self.proj((q @ k.transpose(-2, -1)).softmax(-1) @ v)


class Einsum(nn.Module):
    """Three linears behind one LayerNorm, heads by `reshape`, products by `einsum`; then a perceptron with a GELU."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm, self.fc1, self.fc2 = nn.LayerNorm(dim), nn.Linear(dim, 2 * dim), nn.Linear(2 * dim, dim)
        self.q, self.k, self.v = (nn.Linear(dim, dim, bias=False) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        q, k, v = (part(y).unflatten(-1, (2, -1)) for part in (self.q, self.k, self.v))
        shares = torch.einsum("nihd,njhd->nhij", q, k).softmax(-1)
        x = x + torch.einsum("nhij,njhd->nihd", shares, v).flatten(2)
        return x + self.fc2(functional.gelu(self.fc1(x)))


class Torch(nn.Module):
    """`scaled_dot_product_attention` in a post-norm block: the residual reads the LayerNorm too."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.qkv, self.norm = nn.Linear(dim, 3 * dim), nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        n, tokens, dim = x.shape
        q, k, v = self.qkv(x).reshape(n, tokens, 3, 2, dim // 2).permute(2, 0, 3, 1, 4)
        return self.norm(x + functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class TokensFirst(nn.Module):
    """The batch is the second axis, as in `nn.MultiheadAttention`; products by `bmm`."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm, self.qkv, self.proj = nn.LayerNorm(dim), nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x).transpose(0, 1)
        q, k, v = (part.transpose(0, 1) for part in self.qkv(y).split(y.shape[-1], -1))
        attended = torch.bmm(torch.bmm(q, k.mT).softmax(-1), v)
        return x + self.proj(attended.transpose(0, 1)).transpose(0, 1)


class Tokens(nn.Module):
    """Convolution, blocks of tokens, convolution and shuffle: the frame of the transformers above."""

    def __init__(self, block: Callable[[int], nn.Module], dim: int = 8) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, dim, 3, padding=1)
        self.blocks = nn.ModuleList([block(dim), block(dim)])
        self.tail = nn.Sequential(nn.Conv2d(dim, 12, 3, padding=1), nn.PixelShuffle(2))

    def forward(self, x: Tensor) -> Tensor:
        x = self.head(x.mul_(2.0).sub_(1.0))
        y = x.flatten(2).mT
        for block in self.blocks:
            y = block(y)
        return self.tail(x + y.mT.reshape(x.shape))


class Convolutions(nn.Module):
    """A grouped and a depthwise convolution, batch norm, a layer that is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.head, self.twice = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.grouped, self.depthwise = nn.Conv2d(8, 8, 1, groups=2), nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.norm = nn.BatchNorm2d(8)
        self.tail = nn.Sequential(nn.Conv2d(8, 12, 3, padding=1), nn.PixelShuffle(2))

    def forward(self, x: Tensor) -> Tensor:
        x = self.twice(functional.leaky_relu(self.twice(self.head(x)), 0.1))
        return self.tail(x + self.depthwise(self.norm(self.grouped(x)).relu()))


class Plain(nn.Module):
    """Convolutions without groups, one called twice, batch norm."""

    def __init__(self) -> None:
        super().__init__()
        self.head, self.twice = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.tail = nn.Sequential(nn.Conv2d(8, 12, 3, padding=1), nn.PixelShuffle(2))

    def forward(self, x: Tensor) -> Tensor:
        x = self.head(x)
        return self.tail(x + self.twice(self.norm(self.twice(x)).relu()))


class Positions(FusedAttention):
    """A perceptron of relative positions adds to the scores: what it reads is the same for every picture."""

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.position = nn.Sequential(nn.Linear(1, 4), nn.ReLU(), nn.Linear(4, 1))
        self.shared = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        tokens = torch.arange(x.shape[1], dtype=x.dtype)
        bias = self.position((tokens[:, None] - tokens)[..., None] / x.shape[1])[..., 0]
        q, k, v = self.qkv(self.norm(x)).chunk(3, -1)
        y = self.proj((q @ k.transpose(-2, -1) + bias).softmax(-1) @ v)
        return x + self.shared(y) + self.shared(x)  # called twice


STRANGERS: dict[str, Callable[[], nn.Module]] = {
    "fused": lambda: Tokens(FusedAttention),
    "einsum": lambda: Tokens(Einsum),
    "tokens-first": lambda: Tokens(TokensFirst),
    "sdpa": lambda: Tokens(Torch),
    "positions": lambda: Tokens(Positions),
    "convolutions": Convolutions,
    "plain": Plain,
}
CONVOLUTIONAL = {"convolutions", "plain"}
