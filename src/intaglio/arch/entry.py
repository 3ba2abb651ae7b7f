"""What the registry knows of an architecture, and helpers that read hyper-parameters off tensor shapes.

Entries are written beside their networks; the list of them is `registry.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import isqrt
from typing import Any

from torch import Tensor

from intaglio.arch.network import SRNetwork
from intaglio.errors import CheckpointError

State = Mapping[str, Tensor]
"""A state dict: tensors by name."""

SCALES = (2, 3, 4, 8)
"""Upscaling factors that networks are built for."""


@dataclass(frozen=True)
class Naming:
    """One way in which checkpoints of an architecture name their tensors.

    `keys` are names that each such checkpoint has, `foreign` names that only other architectures have. `canonical`
    turns its state dict into ours: renames, folds what is folded, checks and drops what is recomputed. Raises:
    CheckpointError.
    """

    label: str
    keys: tuple[str, ...]
    canonical: Callable[[State], dict[str, Tensor]] = dict
    foreign: tuple[str, ...] = ()

    def missing(self, state: State) -> tuple[str, ...]:
        """Those of `keys` that the state dict lacks."""
        return tuple(key for key in self.keys if key not in state)

    def strange(self, state: State) -> tuple[str, ...]:
        """Those of `foreign` that the state dict has."""
        return tuple(key for key in self.foreign if key in state)


@dataclass(frozen=True)
class Entry:
    """An architecture: how to recognise it, what its hyper-parameters are, how to build it.

    `config_from` and `build` take and return one frozen dataclass per architecture, after `Naming.canonical`. Fields
    that are None are known neither from tensors nor from what is published; their metadata say under "asked" what is
    asked for. `options` names those that training options give, with their readers. `recomputed` fits names of buffers
    that may show hyper-parameters and that the network computes.
    """

    name: str
    paper: str
    namings: tuple[Naming, ...]
    config_from: Callable[[State], Any]
    build: Callable[[Any], SRNetwork]
    recomputed: re.Pattern[str] | None = None
    options: Mapping[str, tuple[str, Callable[[Any], object]]] = field(default_factory=dict)

    def is_recomputed(self, key: str) -> bool:
        """Whether a tensor of that name is computed by the network, so that a checkpoint may have it or not."""
        return self.recomputed is not None and self.recomputed.fullmatch(key) is not None

    def nearest_naming(self, state: State) -> Naming:
        """The naming of which the state dict lacks the smallest share of keys; the first of equals."""
        return min(self.namings, key=lambda naming: len(naming.missing(state)) / len(naming.keys))

    def missing(self, state: State) -> tuple[str, ...]:
        """Tell-tale keys that the state dict lacks, by its nearest naming; empty if it is of this architecture."""
        return self.nearest_naming(state).missing(state)

    def detect(self, state: State) -> bool:
        """Whether the state dict is of this architecture, judged by key names only.

        True for every checkpoint that loads; also for some that will not (other shapes, tensors missing).
        """
        return not self.missing(state) and not self.strange(state)

    def strange(self, state: State) -> tuple[str, ...]:
        """Keys that show that the state dict is of another architecture, by its nearest naming."""
        return self.nearest_naming(state).strange(state)


def shape(state: State, key: str, axes: int) -> tuple[int, ...]:
    """The shape of a tensor that must be there with that many axes.

    Raises: CheckpointError if it is absent or has another number of axes (remedy: another checkpoint).
    """
    if key not in state:
        raise CheckpointError(f"the checkpoint has no tensor '{key}'; it is incomplete, take another copy.")
    found = tuple(state[key].shape)
    if len(found) != axes or 0 in found:
        raise CheckpointError(f"'{key}' has shape {found}, but {axes} non-empty axes are expected; take another copy.")
    return found


def count(state: State, prefix: str, first: int = 0) -> int:
    """How many members ``prefix0.``, ``prefix1.``, … the state dict has, counted from `first`.

    Raises: CheckpointError if their numbers leave a gap or there are none (remedy: another checkpoint).
    """
    pattern = re.compile(re.escape(prefix) + r"(\d+)\.")
    found = {int(match[1]) for match in map(pattern.match, state) if match}
    if not found or found != set(range(first, first + len(found))):
        numbers = ", ".join(map(str, sorted(found)[:8])) or "none"
        raise CheckpointError(
            f"members of '{prefix}*' should be {first}, {first + 1}, … in a row, but are {numbers}; take another copy."
        )
    return len(found)


def exact_root(square: int, key: str) -> int:
    """The square root of a number read from the shape of `key`.

    Raises: CheckpointError unless it is a whole number (remedy: another checkpoint).
    """
    root = isqrt(square)
    if root * root != square:
        raise CheckpointError(
            f"the shape of '{key}' should hold a square number but holds {square}; take another copy."
        )
    return root


def check_scale(scale: int, smallest: int = 2) -> int:
    """Return a scale deduced from shapes if it is one of `SCALES`; raises CheckpointError otherwise.

    Networks that restore pictures without enlarging them have `smallest` 1.
    """
    if scale not in SCALES and scale != smallest:
        raise CheckpointError(f"the shapes give an upscaling factor of {scale}, but networks have one of {SCALES}.")
    return scale
