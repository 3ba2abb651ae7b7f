"""Distances of outputs and of features between the float teacher and the quantized student.

Pure functions of tensors: 2DQuant, equations 4 and 5, what its released code computes instead, and a feature loss of
our own that is of the size of the error.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

TINY = 1e-12
"""Keeps the slope of a square root finite where student and teacher agree."""


def output_loss(student: Float[Tensor, "n c h w"], teacher: Float[Tensor, "n c h w"]) -> Float[Tensor, ""]:
    """Mean absolute difference of the two outputs (2DQuant, equation 4).

    >>> output_loss(torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 2, 2)).item()
    1.0
    """
    return (student - teacher).abs().mean()


def feature_loss(
    student: Sequence[Float[Tensor, "n ..."]], teacher: Sequence[Float[Tensor, "n ..."]]
) -> Float[Tensor, ""]:
    """Distance of features normalised per sample, divided by their size (2DQuant, equation 5), mean over the batch.

    ``sum_i 1 / (C_i H_i W_i) * || F_i / ||F_i|| - G_i / ||G_i|| ||``. Beside the output loss it is numerically zero
    (docs/methods/2dquant.md): the norm of a normalised feature is 1, and dividing by its size once more leaves about
    1e-6.

    Shapes: one tensor a tap, (N, ...), batch first.
    """
    total = student[0].new_zeros(())
    for ours, theirs in zip(student, teacher, strict=True):
        difference = _unit(ours.flatten(1)) - _unit(theirs.flatten(1))
        total = total + difference.norm(dim=1).mean() / math.prod(ours.shape[1:])
    return total


def _unit(rows: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
    norms: Tensor = rows.norm(dim=1, keepdim=True)
    return rows / norms.clamp(min=torch.finfo(rows.dtype).tiny)


def released_feature_loss(
    student: Sequence[Float[Tensor, "n ..."]], teacher: Sequence[Float[Tensor, "n ..."]]
) -> Float[Tensor, ""]:
    """What 2DQuant's released code computes: every sample normalised by every sample's norm, then divided by its size
    twice.

    The norms of shape (N,) broadcast against the batch to (N, N, ...). The mean of squares over that array is

        1 / (N^2 K) sum_ab || F_b / n_a - G_b / m_a ||^2
          = 1 / (N^2 K) sum_ab ( |F_b|^2 / n_a^2 - 2 <F_b, G_b> / (n_a m_a) + |G_b|^2 / m_a^2 )

    with K elements a sample, so the array itself need not exist. One more division by ``N^2 K`` follows, as in the
    release.

    Shapes: one tensor a tap, (N, ...), batch first.
    """
    total = student[0].new_zeros((), dtype=torch.float64)
    for ours, theirs in zip(student, teacher, strict=True):
        f, g = theirs.flatten(1).double(), ours.flatten(1).double()
        ff, fg, gg = (f * f).sum(1), (f * g).sum(1), (g * g).sum(1)
        n, m = ff.sqrt(), gg.sqrt()
        squares = ff.sum() * (1 / ff).sum() - 2 * fg.sum() * (1 / (n * m)).sum() + gg.sum() * (1 / gg).sum()
        count = len(f) ** 2 * f.shape[1]
        total = total + squares / count / count
    return total.to(student[0].dtype)


def relative_feature_loss(
    student: Sequence[Float[Tensor, ...]], teacher: Sequence[Float[Tensor, ...]]
) -> Float[Tensor, ""]:
    """Root mean square difference of a feature over the teacher's standard deviation, mean over the taps. Ours.

    0.1 says that a tenth of what varies in a feature is error, whatever its size and its unit. A feature that does not
    vary counts for nothing.

    Shapes: one tensor a tap, any shape.

    >>> relative_feature_loss([torch.tensor([1.0, 3.0])], [torch.tensor([0.0, 4.0])]).item()
    0.5
    """
    total = student[0].new_zeros(())
    for ours, theirs in zip(student, teacher, strict=True):
        variance = theirs.var(correction=0)
        if variance > 0.0:
            total = total + ((ours - theirs).square().mean() / variance + TINY).sqrt()
    return total / len(student)
