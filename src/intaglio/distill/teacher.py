"""The float teacher's outputs and features for a fixed pool of patches, computed once each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from intaglio.distill.taps import tapped

CACHE_BYTES = 4 << 30
"""What all cached targets may take; patches beyond it are computed anew whenever they are drawn."""


@dataclass(frozen=True)
class Target:
    """What a student is held against: the SR output and the features in the order of the taps.

    Features keep the samples of a batch one after the other, but a sample may be several rows: its windows, say.
    """

    output: Float[Tensor, "n c h w"]
    features: tuple[Float[Tensor, ...], ...]

    @property
    def nbytes(self) -> int:
        """Memory that the tensors take."""
        return sum(tensor.numel() * tensor.element_size() for tensor in (self.output, *self.features))


class Teacher:
    """Targets of a float network on a pool of patches.

    Guarantees the same values whether they come from the cache or not: a patch is always computed by itself, so that
    neither the batch it is drawn in nor an interruption changes them. Runs without gradients, in evaluation mode.
    """

    def __init__(
        self, network: nn.Module, patches: Float[Tensor, "n c h w"], taps: Sequence[str], cache_bytes: int = CACHE_BYTES
    ) -> None:
        self.network = network.eval()
        self.patches = patches
        self.taps = tuple(taps)
        self._room = cache_bytes
        self._cache: dict[int, Target] = {}

    def targets(self, indices: Int[Tensor, " b"]) -> Target:
        """Targets of the patches with the given indices, in that order."""
        parts = [self._one(int(index)) for index in indices]
        features = tuple(torch.cat(tap) for tap in zip(*(part.features for part in parts), strict=True))
        return Target(torch.cat([part.output for part in parts]), features)

    def _one(self, index: int) -> Target:
        if index in self._cache:
            return self._cache[index]
        with torch.no_grad(), tapped(self.network, self.taps) as features:
            output = self.network(self.patches[index : index + 1])
        target = Target(output, tuple(features[name] for name in self.taps))
        if target.nbytes <= self._room:
            self._room -= target.nbytes
            self._cache[index] = target
        return target
