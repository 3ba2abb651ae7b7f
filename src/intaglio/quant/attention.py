"""Softmax attention between two quantized products as one operation, for learning: no score and no share is kept.

    S = Q(q) Q(k)^T + bias,   P = softmax(S),   out = Q(P) Q(v)

The native kernel computes a head of a window at a time, in cache, and the backward pass computes P anew from q and k.
Gradients are those of `affine.fake_quantize` at each of the four sites. Passes without gradients, and sites that hold
or are heard by anything else, take the plain composition.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intaglio.quant import affine, fused
from intaglio.quant.layers import QuantMatMul
from intaglio.quant.quantizers import AffineQuantizer


class QuantAttention(nn.Module):
    """The twin of a float attention: the fused operation where a gradient is asked for and all four sites are affine.

    `plain` is the float module, which calls the two products one after the other. It is what happens where a quantizer
    is of another kind or has a bound for each channel, where a hook listens to a product or a site, where `bias` is
    learned, on other devices and types, and where the native kernels are not built.
    """

    def __init__(self, plain: nn.Module) -> None:
        super().__init__()
        self.plain = plain

    def forward(
        self,
        scores: nn.Module,
        context: nn.Module,
        q: Float[Tensor, "windows heads tokens channels"],
        k: Float[Tensor, "windows heads tokens channels"],
        v: Float[Tensor, "windows heads tokens channels"],
        bias: Float[Tensor, "maps heads tokens tokens"],
    ) -> Float[Tensor, "windows heads tokens channels"]:
        """Attention by the products `scores` and `context`; window w has the bias of map ``w % maps``."""
        sites = _affine_sites(scores, context)
        if sites and _is_learning((q, k, v), bias, sites):
            return attend(q, k, v, bias, sites)
        attended: Tensor = self.plain(scores, context, q, k, v, bias)
        return attended


def attend(
    q: Float[Tensor, "windows heads tokens channels"],
    k: Float[Tensor, "windows heads tokens channels"],
    v: Float[Tensor, "windows heads tokens channels"],
    bias: Float[Tensor, "maps heads tokens tokens"],
    sites: Sequence[AffineQuantizer],
) -> Float[Tensor, "windows heads tokens channels"]:
    """Attention on the grids of `sites` (of q, k, P and v) with gradients to q, k, v and all eight bounds.

    Needs the native kernels, single precision on the CPU and one pair of bounds for each site; `bias` gets no gradient.
    A share P that lies within a rounding of a threshold may get another code than in the plain composition.

    >>> x, bias = torch.tensor([[[[0.0], [1.0]]]]), torch.zeros(1, 1, 2, 2)
    >>> sites = [AffineQuantizer(torch.tensor(0.0), torch.tensor(1.0), bits=2) for _ in range(4)]
    >>> attend(x, x, x, bias, sites).flatten().tolist()  # shares 1/2 and 1/2, then 0.27 and 0.73
    [0.6666666865348816, 0.6666666865348816]
    """
    bounds = [bound for site in sites for bound in affine.positive_range(site.lower, site.upper)]
    bits = tuple(site.bits for site in sites)
    out: Tensor = _Attention.apply(bits, bias.contiguous(), *map(_adjacent, (q, k, v)), *bounds)  # type: ignore[no-untyped-call]
    return out


def _affine_sites(scores: nn.Module, context: nn.Module) -> tuple[AffineQuantizer, ...]:
    """The four sites if the fused operation may stand for them, else none."""
    if not (isinstance(scores, QuantMatMul) and isinstance(context, QuantMatMul)):
        return ()
    sites = [product.site(role) for product in (scores, context) for role in ("a", "b")]
    if any(module._forward_hooks or module._forward_pre_hooks for module in (scores, context, *sites)):
        return ()
    # Not its subclasses: they may compute something else.
    found = tuple(site for site in sites if type(site) is AffineQuantizer and site.lower.numel() == 1)
    return found if len(found) == len(sites) else ()


def _is_learning(operands: Sequence[Tensor], bias: Tensor, sites: Sequence[AffineQuantizer]) -> bool:
    """Whether a gradient is asked for that the fused operation gives."""
    if bias.requires_grad or not torch.is_grad_enabled() or fused.native() is None:
        return False
    if any(x.dtype != torch.float32 or x.device.type != "cpu" for x in (*operands, bias)):
        return False
    return any(x.requires_grad for x in operands) or any(site.lower.requires_grad for site in sites)


def _adjacent(x: Tensor) -> Tensor:
    """`x` with the channels of a head side by side, as the kernel reads them."""
    return x if x.stride(-1) == 1 else x.contiguous()


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, bits: tuple[int, ...], bias: Tensor, *tensors: Tensor) -> Tensor:
        q, k, v, *bounds = tensors
        values = [float(bound) for bound in bounds]
        ctx.save_for_backward(bias, q, k, v)
        ctx.grids = fused.grids(values, bits)
        ctx.bound_shapes = [bound.shape for bound in bounds]
        out = _tokens_first(q)
        fused.attend((q, k, v), bias, ctx.grids, out)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        bias, *operands = ctx.saved_tensors
        found = tuple(_tokens_first(x) for x in operands)
        sums = fused.attend_backward(_adjacent(grads[0]), tuple(operands), bias, ctx.grids, found)
        of_bounds = (bias.new_full(shape, value) for shape, value in zip(ctx.bound_shapes, sums, strict=True))
        return None, None, *found, *of_bounds


def _tokens_first(like: Float[Tensor, "windows heads tokens channels"]) -> Tensor:
    """An empty tensor of that shape that lies in memory as (windows, tokens, heads, channels), so that joining the
    heads, which comes next, moves nothing."""
    windows, heads, tokens, channels = like.shape
    return like.new_empty(windows, tokens, heads, channels).transpose(1, 2)
