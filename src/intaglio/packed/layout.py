"""Which tensors and sites an operation has, by its definition. Their values are checked by `validate.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from intaglio.packed.definition import Definition, Tensor
from intaglio.packed.errors import SiteError, UnknownOpError
from intaglio.packed.ops import OPS

CODES = ".codes"


def definition_of(kind: str) -> Definition:
    """The definition of an operation. Raises: UnknownOpError (remedy: a newer release)."""
    if kind not in OPS:
        raise UnknownOpError(f"operation {kind!r} is not one of {', '.join(OPS)}; install a newer intaglio to run it.")
    return OPS[kind]


def site_roles(kind: str, name: str, count: int) -> tuple[str, ...]:
    """Roles of the sites of an operation that has `count` of them, in the order of storage.

    Raises: SiteError if it is neither none nor all (remedy: quantize the model again).

    >>> site_roles("conv2d", "head", 2)
    ('input', 'weight')
    """
    roles = definition_of(kind).sites
    if count not in (0, len(roles)):
        raise SiteError(f"{kind} {name!r} has {count} sites, expected 0 or {len(roles)}; quantize the model again.")
    return roles if count else ()


def tensor_roles(kind: str, attrs: Mapping[str, Any], quantized: bool) -> dict[str, Tensor]:
    """The tensors that an operation must or may have, by role, in the order of storage. `attrs` must have been checked.

    >>> list(tensor_roles("linear", {}, quantized=True))
    ['weight.codes', 'bias']
    """
    return {
        tensor.role + CODES if tensor.form == "weight" and quantized else tensor.role: tensor
        for tensor in definition_of(kind).tensors
        if tensor.when is None or attrs[tensor.when[0]] == tensor.when[1]
    }


def weight_site(role: str) -> str:
    """The site that holds the grids of a tensor of codes.

    >>> weight_site("weight.codes")
    'weight'
    """
    return role.removesuffix(CODES)


def is_codes(role: str) -> bool:
    """Whether the tensor of this role holds weight codes."""
    return role.endswith(CODES)
