"""Which tensors share memory, and where: what a write in place does to other views of the same tensor."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

import torch
from torch import Tensor

MANY = 1 << 20
"""Tensors of more values are taken to overlap wherever they share a storage: listing their elements costs too much."""


def storage_of(tensor: Tensor) -> int:
    """A number that two tensors share if and only if they share storage."""
    return int(tensor.untyped_storage()._cdata)


def box(part: Tensor, whole: Tensor) -> tuple[int, ...] | None:
    """Where along each axis of `whole` a part of it starts, None if it is no box of it."""
    if part.dim() != whole.dim() or part.stride() != whole.stride():
        return None
    offset, starts = int(part.storage_offset()) - int(whole.storage_offset()), [0] * whole.dim()
    for axis in sorted(range(whole.dim()), key=whole.stride, reverse=True):
        if whole.shape[axis] > 1:
            starts[axis], offset = divmod(offset, int(whole.stride(axis)))
    ends = (start + side for start, side in zip(starts, part.shape, strict=True))
    inside = all(start >= 0 and end <= side for start, end, side in zip(starts, ends, whole.shape, strict=True))
    return tuple(starts) if inside and offset == 0 else None


def overlap(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors of one storage have an element in common."""
    return bool(set(_elements(a)) & set(_elements(b))) if max(a.numel(), b.numel()) < MANY else True


def _elements(tensor: Tensor) -> Iterable[int]:
    offsets = torch.zeros((), dtype=torch.int64)
    for side, stride in zip(tensor.shape, tensor.stride(), strict=True):
        offsets = offsets[..., None] + torch.arange(int(side)) * int(stride)
    return chain((int(tensor.storage_offset()),), (offsets.flatten() + int(tensor.storage_offset())).tolist())
