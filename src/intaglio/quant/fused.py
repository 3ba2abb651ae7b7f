"""Per-tensor fake quantization, and attention between quantized operands, on CPU in one pass forward and one backward.

The native kernel quantizes where the extension is built; otherwise the same arithmetic by few in-place tensor
operations. Both agree with `affine._Broadcast` to the rounding of the sums of bound gradients.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

Operands = tuple[Tensor, ...]
"""The q, k and v of attention: (windows, heads, tokens, channels), channels side by side, float32 on the CPU."""


@functools.cache
def native() -> ModuleType | None:
    """The extension module with the fused kernels, or None where it is not built."""
    try:
        return importlib.import_module("intaglio.quant._fused")
    except ImportError:
        return None


def forward(x: Tensor, lower: float, upper: float, bits: int) -> Tensor:
    """Levels nearest to `x` (contiguous, float32) on the grid of the bounds; shape of `x`."""
    kernel = native()
    if kernel is not None:
        out = torch.empty_like(x)
        kernel.forward(x.detach().numpy(), out.numpy(), lower, upper, bits, torch.get_num_threads())
        return out
    step, inverse = _constants(lower, upper, bits)
    return (x - lower).mul_(inverse).round_().clamp_(0, (1 << bits) - 1).mul_(step).add_(lower)


def backward(
    grad: Tensor, x: Tensor, lower: float, upper: float, bits: int, need_input: bool
) -> tuple[Tensor | None, float, float]:
    """Gradients to `x` (None unless needed), `lower` and `upper`, from the gradient of the output and the saved
    input."""
    kernel = native()
    if kernel is not None:
        grad_x = torch.empty_like(x) if need_input else None
        buffer = None if grad_x is None else grad_x.numpy()
        threads = torch.get_num_threads()
        sums = kernel.backward(grad.detach().numpy(), x.detach().numpy(), buffer, lower, upper, bits, threads)
        return grad_x, sums[0], sums[1]
    return _backward_by_tensors(grad, x, lower, upper, bits)


def attend(operands: Operands, bias: Tensor, grids: Sequence[Any], out: Tensor) -> None:
    """Write attention on the grids of q, k, softmax and v to `out`; needs the native kernel."""
    kernel = native()
    assert kernel is not None
    arrays = [x.detach().numpy() for x in (*operands, bias)]
    kernel.attend(*arrays, grids, out.numpy(), torch.get_num_threads())


def attend_backward(
    grad: Tensor, operands: Operands, bias: Tensor, grids: Sequence[Any], found: Operands
) -> tuple[float, ...]:
    """Write the gradients of q, k and v to `found`; returns those of lower and upper of each grid, in the order of
    `grids`. Needs the native kernel."""
    kernel = native()
    assert kernel is not None
    arrays = [x.detach().numpy() for x in (grad, *operands, bias)]
    sums = kernel.attend_backward(*arrays, grids, *(x.numpy() for x in found), torch.get_num_threads())
    return tuple(value for pair in sums for value in pair)


def grids(bounds: Sequence[float], bits: Sequence[int]) -> list[Any]:
    """The kernel's grids of pairs of bounds, lower and upper one after the other; needs the native kernel."""
    kernel = native()
    assert kernel is not None
    return [kernel.Grid(*pair, width) for *pair, width in zip(bounds[::2], bounds[1::2], bits, strict=True)]


def _constants(lower: float, upper: float, bits: int) -> tuple[float, float]:
    # Formed by single-precision tensors, so that the grid is the one that affine.encode uses.
    step = (torch.tensor(upper) - torch.tensor(lower)) / float((1 << bits) - 1)
    return float(step), float(1.0 / step)


def _backward_by_tensors(grad: Tensor, x: Tensor, lower: float, upper: float, bits: int) -> tuple[Tensor, float, float]:
    top = (1 << bits) - 1
    _, inverse = _constants(lower, upper, bits)
    above, below = x > upper, x < lower
    scaled = (x - lower).mul_(inverse)
    residue = scaled.round().clamp_(0, top).sub_(scaled).div_(top)
    residue.masked_fill_(above | below, 0.0).mul_(grad)
    inside_sum = float(residue.sum(dtype=torch.float64))
    above_sum = float(torch.where(above, grad, 0.0).sum(dtype=torch.float64))
    below_sum = float(torch.where(below, grad, 0.0).sum(dtype=torch.float64))
    return grad.masked_fill(above | below, 0.0), below_sum - inside_sum, above_sum + inside_sum
