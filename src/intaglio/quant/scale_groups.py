"""Numbers of scales, and which of them are one: a union of sets over tensors of numbers."""

from __future__ import annotations

import torch
from jaxtyping import Int64
from torch import Tensor

FIXED = 0
"""The scale of what must stay as it is."""
ANY = -1
"""The scale of a zero of padding: it has every scale at once."""


class ScaleGroups:
    """Scales that were found to be equal are one group; its number is the least of theirs, so that fixed stays fixed.

    >>> groups = ScaleGroups()
    >>> first, second = groups.new(2), groups.new(2)
    >>> groups.unite(first, second)
    >>> groups.canonical(second).tolist(), len(groups)
    ([1, 2], 5)
    """

    def __init__(self) -> None:
        self._parents = [FIXED]
        self._table: Tensor | None = None
        """The group of every scale, until two are united or one is new."""

    def __len__(self) -> int:
        """How many scales there are, the fixed one included."""
        return len(self._parents)

    def new(self, count: int) -> Int64[Tensor, " count"]:
        """Scales of their own."""
        first, self._table = len(self._parents), None
        self._parents.extend(range(first, first + count))
        return torch.arange(first, first + count)

    def vector(self, scales: Int64[Tensor, ...], axis: int) -> Int64[Tensor, " channels"] | None:
        """The scale of each channel along `axis`, or None where one channel has several."""
        rows = self.canonical(scales).movedim(axis, 0).flatten(1)
        most = rows.amax(1)
        one = ((rows == most[:, None]) | (rows == ANY)).all()
        return most.clamp_min(FIXED) if bool(one) else None

    def canonical(self, scales: Int64[Tensor, ...]) -> Int64[Tensor, ...]:
        """The groups of scales."""
        if self._table is None:
            self._table = torch.tensor([*(self.root(scale) for scale in range(len(self._parents))), ANY])
        return self._table[scales]

    def unite(self, left: Int64[Tensor, ...], right: Int64[Tensor, ...]) -> None:
        """Let pairs of scales be one; shapes are equal."""
        left, right = (self.canonical(scales.flatten()) for scales in (left, right))
        apart = (left != right) & (left != ANY) & (right != ANY)
        # A number for each pair: sorting these is much faster than sorting pairs.
        pairs = torch.unique(left[apart] * len(self._parents) + right[apart])
        for pair in pairs.tolist():
            # The smaller number is the root, so that what is fixed stays fixed.
            low, high = sorted(map(self.root, divmod(pair, len(self._parents))))
            self._parents[high] = low
            self._table = None

    def root(self, scale: int) -> int:
        """The group of one scale."""
        while self._parents[scale] != scale:
            self._parents[scale] = self._parents[self._parents[scale]]
            scale = self._parents[scale]
        return scale
