"""Folding batch normalisation into the convolution before it, as tensors of a state dict.

Exact in evaluation mode up to float rounding; networks here have no normalisation layers of that kind.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from intaglio.arch.entry import State
from intaglio.errors import CheckpointError

EPSILON = 1e-5
"""PyTorch's default, which no published super-resolution network changes."""

PARTS = ("weight", "bias", "running_mean", "running_var")


def folded(state: State, conv: str, norm: str) -> tuple[Float[Tensor, "out in kh kw"], Float[Tensor, " out"]]:
    """Weight and bias of one convolution that does what `conv` and the batch normalisation `norm` after it did.

    With ``factor = gamma / sqrt(var + EPSILON)``: ``weight * factor`` and ``(bias - mean) * factor + beta``, computed
    in double precision. Raises: CheckpointError if a tensor is missing (remedy: another copy).

    >>> ones = torch.ones(1)
    >>> norm = {"n.weight": ones * 2, "n.bias": ones, "n.running_mean": ones * 3, "n.running_var": ones - EPSILON}
    >>> weight, bias = folded({"c.weight": torch.ones(1, 1, 1, 1), **norm}, "c", "n")
    >>> round(weight.item(), 4), round(bias.item(), 4)
    (2.0, -5.0)
    """
    needed = (f"{conv}.weight", *(f"{norm}.{part}" for part in PARTS))
    if absent := [key for key in needed if key not in state]:
        raise CheckpointError(f"the checkpoint lacks '{absent[0]}'; it is incomplete, take another copy.")
    weight, gamma, beta, mean, var = (state[key].double() for key in needed)
    bias = state.get(f"{conv}.bias", torch.zeros(())).double()
    if weight.ndim != 4 or any(part.shape != weight.shape[:1] for part in (gamma, beta, mean, var)):
        raise CheckpointError(f"the normalisation '{norm}' does not fit '{conv}.weight'; take another copy.")
    factor = gamma / torch.sqrt(var + EPSILON)
    return (weight * factor[:, None, None, None]).float(), ((bias - mean) * factor + beta).float()
