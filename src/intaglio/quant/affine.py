"""The affine grid on tensors: codes, levels, and fake quantization with straight-through gradients of both bounds.

Pure functions of tensors (numerics page, equations 1-3; 2DQuant, equations 1-2). Modules are in `quantizers.py`.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from intaglio.quant import fused

MIN_RELATIVE_RANGE = 1e-6
"""Floor of ``upper - lower`` relative to ``max(1, |lower|, |upper|)``: learning must not make a grid collapse."""


def safe_upper(lower: Tensor, upper: Tensor) -> Tensor:
    """`upper`, raised where needed so that the range stays positive (a grid needs a step above zero).

    Shapes: any, equal. A gradient flows to `upper` where it holds and to `lower` where the floor holds.

    >>> safe_upper(torch.tensor(1.0), torch.tensor(0.0)).item() > 1.0
    True
    """
    floor = MIN_RELATIVE_RANGE * torch.maximum(lower.abs(), upper.abs()).clamp(min=1.0).detach()
    return torch.maximum(upper, lower + floor)


def step_of(lower: Tensor, upper: Tensor, bits: int) -> Tensor:
    """Distance of two levels, ``(upper - lower) / (2**bits - 1)`` (numerics page, equation 1)."""
    return (upper - lower) / float((1 << bits) - 1)


def encode(x: Float[Tensor, ...], lower: Tensor, upper: Tensor, bits: int) -> Float[Tensor, ...]:
    """The code of each value, 0 to ``2**bits - 1``, as floats (numerics page, equation 2).

    Shapes: `lower` and `upper` broadcast against `x`. Rounds half to even in single precision.

    >>> encode(torch.tensor([-9.0, 0.4, 0.5, 1.5, 9.0]), torch.tensor(-1.0), torch.tensor(2.0), bits=2).tolist()
    [0.0, 1.0, 2.0, 2.0, 3.0]
    """
    inverse = 1.0 / step_of(lower, upper, bits)
    return ((x - lower) * inverse).round_().clamp_(0, (1 << bits) - 1)


def decode(codes: Float[Tensor, ...], lower: Tensor, upper: Tensor, bits: int) -> Float[Tensor, ...]:
    """The level of each code, ``lower + step * code`` (numerics page, equation 3).

    >>> decode(torch.tensor([0.0, 3.0]), torch.tensor(-1.0), torch.tensor(2.0), bits=2).tolist()
    [-1.0, 2.0]
    """
    return codes * step_of(lower, upper, bits) + lower


def fake_quantize(x: Float[Tensor, ...], lower: Tensor, upper: Tensor, bits: int) -> Float[Tensor, ...]:
    """Round `x` to the grid of `lower`, `upper` and `bits`, with straight-through gradients to all three tensors.

    Guarantees at most ``2**bits`` distinct values for each pair of bounds. Gradients (2DQuant, equation 2 with the
    two misprints of its bound derivatives mended): to `x` the incoming gradient inside the bounds, 0 outside; to
    `upper` 1 above the range and the rounding residue ``code / n - v`` inside, ``v = (x - lower) / (upper - lower)``;
    to `lower` 1 below and the negative residue inside; each summed over the elements that share the bound.

    Shapes: `x` any; bounds scalars, or shaped to broadcast (a per-channel weight has bounds (out, 1, ...)).

    >>> fake_quantize(torch.tensor([-2.0, 0.2, 0.9]), torch.tensor(-1.0), torch.tensor(2.0), bits=2).tolist()
    [-1.0, 0.0, 1.0]
    """
    if lower.numel() == 1 and x.dtype == torch.float32 and x.device.type == "cpu":
        return _PerTensor.apply(x, *positive_range(lower, upper), bits)  # type: ignore[no-any-return, no-untyped-call]
    upper = safe_upper(lower, upper)
    return _Broadcast.apply(x, lower, upper, bits)  # type: ignore[no-any-return, no-untyped-call]


def positive_range(lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
    """One pair of bounds with `safe_upper` for `upper`, whose dozen small operations are left out where the result is
    plain to see."""
    return (lower, upper) if _is_wide(lower.item(), upper.item()) else (lower, safe_upper(lower, upper))


def _is_wide(lower: float, upper: float) -> bool:
    """Whether `safe_upper` certainly leaves the upper bound as it is."""
    return upper - lower > 2.0 * MIN_RELATIVE_RANGE * max(1.0, abs(lower), abs(upper))


class _Broadcast(torch.autograd.Function):
    """The plain form for bounds of any shape: the oracle of the fused one, and what per-channel weights use."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, lower: Tensor, upper: Tensor, bits: int) -> Tensor:
        ctx.save_for_backward(x, lower, upper)
        ctx.bits = bits
        return decode(encode(x, lower, upper, bits), lower, upper, bits)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        (grad,) = grads
        x, lower, upper = ctx.saved_tensors
        above, below = x > upper, x < lower
        inside = (~(above | below)).float()
        v = (x - lower) / (upper - lower)
        residue = inside * (encode(x, lower, upper, ctx.bits) / ((1 << ctx.bits) - 1) - v)
        grad_upper = _sum_to(grad * (above + residue), upper)
        grad_lower = _sum_to(grad * (below.float() - residue), lower)
        return grad * inside, grad_lower, grad_upper, None


def _sum_to(grad: Tensor, like: Tensor) -> Tensor:
    return grad.sum_to_size(like.shape) if like.dim() else grad.sum()


class _PerTensor(torch.autograd.Function):
    """One pair of bounds: the fused kernel of `intaglio.quant.fused`, one pass forward and one backward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, lower: Tensor, upper: Tensor, bits: int) -> Tensor:
        ctx.bounds, ctx.bits = (float(lower), float(upper)), bits
        ctx.shapes = lower.shape, upper.shape
        x = x.contiguous()
        ctx.save_for_backward(x)
        lower_bound, upper_bound = ctx.bounds
        return fused.forward(x, lower_bound, upper_bound, bits)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        (x,) = ctx.saved_tensors
        grad, (lower, upper), need_input = grads[0].contiguous(), ctx.bounds, ctx.needs_input_grad[0]
        grad_x, grad_lower, grad_upper = fused.backward(grad, x, lower, upper, ctx.bits, need_input)
        lower_shape, upper_shape = ctx.shapes
        return grad_x, x.new_tensor(grad_lower).view(lower_shape), x.new_tensor(grad_upper).view(upper_shape), None
