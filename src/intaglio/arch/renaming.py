"""Translating the tensor names of one code base into those of another, and the fixed mean shifts of EDSR and RCAN.

The rules of each architecture stand beside its network.
"""

from __future__ import annotations

import re

import torch
from torch import Tensor

from intaglio.arch.entry import State
from intaglio.arch.layers import DIV2K_MEAN
from intaglio.errors import CheckpointError

Rules = tuple[tuple[str, str], ...]
"""Pairs of a regular expression for a whole key and its replacement; the first that fits counts."""

HEAD_AND_TAIL: Rules = (
    (r"head\.0\.(weight|bias)", r"conv_first.\1"),
    (r"body\.\d+\.(weight|bias)", r"conv_after_body.\1"),
    (r"tail\.0\.(\d+)\.(weight|bias)", r"upsample.\1.\2"),
    (r"tail\.1\.(weight|bias)", r"conv_last.\1"),
)
"""What the official EDSR and RCAN have in common, in BasicSR's names."""

MEAN_SHIFT_RANGE = 255.0
MEAN_SHIFT_TOLERANCE = 0.1
"""In grey levels: half precision stores 114 (the mean of red) to 1/16, anything else is another mean."""


def renamed(state: State, rules: Rules) -> dict[str, Tensor]:
    """The state dict with every key translated; keys that no rule fits stay.

    Raises: CheckpointError if two keys become one (remedy: another copy).
    """
    result: dict[str, Tensor] = {}
    for key, value in state.items():
        new = _translate(key, rules)
        if new in result:
            raise CheckpointError(f"'{key}' and another tensor both stand for '{new}'; take another copy.")
        result[new] = value
    return result


def without_mean_shift(state: State) -> dict[str, Tensor]:
    """The state dict without ``sub_mean`` and ``add_mean``, which must be the DIV2K mean on the 0..255 range.

    Raises: CheckpointError if they hold another mean or range (remedy: convert the checkpoint).
    """
    mean = torch.tensor(DIV2K_MEAN) * MEAN_SHIFT_RANGE
    expected = {"weight": torch.eye(3).view(3, 3, 1, 1), "sub_mean.bias": -mean, "add_mean.bias": mean}
    kept = {}
    for key, value in state.items():
        if key not in _MEAN_SHIFT_KEYS:
            kept[key] = value
            continue
        wanted = expected.get(key, expected["weight"])
        if value.shape != wanted.shape or (value.float() - wanted).abs().max() > MEAN_SHIFT_TOLERANCE:
            raise CheckpointError(
                f"'{key}' is not the mean of DIV2K on a range of 0..255 (0.4488, 0.4371, 0.4040 times 255); "
                "convert the checkpoint to that range."
            )
    return kept


_MEAN_SHIFT_KEYS = frozenset(f"{side}_mean.{part}" for side in ("sub", "add") for part in ("weight", "bias"))


def _translate(key: str, rules: Rules) -> str:
    for pattern, replacement in rules:
        if match := re.fullmatch(pattern, key):
            return match.expand(replacement)
    return key
