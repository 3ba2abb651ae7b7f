"""Arguments of torch's operators by name, and operators that read no values of a tensor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor


def by_name(func: Any, args: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a call by the names of its schema, defaults filled in."""
    found = {}
    for position, argument in enumerate(func._schema.arguments):
        default = argument.default_value if argument.has_default_value() else None
        found[argument.name] = args[position] if position < len(args) else named.get(argument.name, default)
    return found


def _real(fill: float | None) -> Callable[[Any, tuple[Any, ...], dict[str, Any]], Tensor]:
    def make(func: Any, args: tuple[Any, ...], named: dict[str, Any]) -> Tensor:
        arguments = by_name(func, args, named)
        size = arguments.get("size", arguments["self"].shape)
        value = arguments.get("fill_value") if fill is None else fill
        dtype = arguments.get("dtype") or arguments["self"].dtype
        return torch.full(tuple(size), 0.0 if value is None else value, dtype=dtype)

    return make


SIZE_ALONE: Mapping[str, Callable[[Any, tuple[Any, ...], dict[str, Any]], Tensor]] = {
    "aten.zeros_like.default": _real(0.0),
    "aten.ones_like.default": _real(1.0),
    "aten.full_like.default": _real(None),
    "aten.empty_like.default": _real(0.0),
    "aten.new_zeros.default": _real(0.0),
    "aten.new_ones.default": _real(1.0),
    "aten.new_full.default": _real(None),
    "aten.new_empty.default": _real(0.0),
}
"""Operators that take a tensor's shape and type and none of its values: what they make depends on the size alone."""
