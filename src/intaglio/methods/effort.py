"""How much work a quantization is given: which method by default, and which of its settings differ from the paper's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from intaglio.methods.registry import entry_of


class Effort(StrEnum):
    """What a user waits for."""

    QUICK = "quick"
    """Bounds by search alone, on few crops."""
    STANDARD = "standard"
    """Some hundred steps on one crop each: minutes on two cores for a lightweight network."""
    LONG = "long"
    """As many steps as the papers take, on one crop each: an hour or more."""
    PAPER = "paper"
    """As printed: 3000 steps on 32 crops of 64 pixels; about a day on two cores."""


DEFAULT_METHODS: Mapping[Effort, str] = MappingProxyType(
    {Effort.QUICK: "dobi", Effort.STANDARD: "engrave", Effort.LONG: "engrave", Effort.PAPER: "2dquant"}
)
"""The method where none is named."""

_FEW_CROPS = {"patches": 8}
# Not four crops of 32 pixels: what DAT's channel attention quantizes depends on the size of the picture
# (docs/methods/engrave.md).
_SMALL_BATCHES = {"batch": 1, "patch_size": 64, "crop_size": 64, "pool": 1024}
_SETTINGS: Mapping[Effort, Mapping[str, Any]] = MappingProxyType(
    {
        Effort.QUICK: {**_FEW_CROPS, **_SMALL_BATCHES, "iterations": 20, "epochs": 1},
        Effort.STANDARD: {**_FEW_CROPS, **_SMALL_BATCHES, "iterations": 300},
        Effort.LONG: {**_SMALL_BATCHES, "iterations": 3000},
        Effort.PAPER: {},
    }
)


def effort_settings(effort: Effort, method: str) -> dict[str, Any]:
    """The settings of `method` that `effort` asks for in place of its defaults; those that it does not have are left
    out.

    Raises: MethodError for an unknown method.

    >>> effort_settings(Effort.STANDARD, "2dquant")
    {'patches': 8, 'batch': 1, 'patch_size': 64, 'pool': 1024, 'iterations': 300}
    """
    known = {field.name for field in fields(entry_of(method).make)}  # type: ignore[arg-type]
    return {name: value for name, value in _SETTINGS[effort].items() if name in known}
