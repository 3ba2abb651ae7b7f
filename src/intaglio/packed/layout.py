"""What tensors an operation must have, and of which shapes, as its attributes say. `validate.py` checks values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from intaglio.packed.errors import SiteError, UnknownOpError
from intaglio.packed.schema import OPS, OpSchema

Shape = tuple[int | None, ...]
"""The shape of a tensor; None stands for a length that the attributes leave open."""


def schema_of(kind: str) -> OpSchema:
    """The schema of an operation. Raises: UnknownOpError (remedy: a newer release)."""
    if kind not in OPS:
        raise UnknownOpError(f"operation {kind!r} is not one of {', '.join(OPS)}; install a newer intaglio to run it.")
    return OPS[kind]


def form_of(kind: str, name: str, sites: frozenset[str]) -> tuple[str, ...]:
    """Roles of the tensors that an operation with these sites has, ``prelu`` apart.

    Raises: SiteError if no form of the operation has exactly these sites (remedy: pack the model again).

    >>> form_of("conv2d", "head", frozenset())
    ('weight', 'bias')
    """
    forms = schema_of(kind).forms
    for tensors, roles in forms:
        if sites == frozenset(roles):
            return tensors
    known = " or ".join("{" + ", ".join(roles) + "}" for _, roles in forms)
    raise SiteError(f"{kind} {name!r} has the sites {sorted(sites)}, expected {known}; pack the model again.")


def site_roles(kind: str, count: int) -> tuple[str, ...]:
    """Roles of the sites of the form of an operation that has `count` of them, in the order of storage.

    The number of sites tells the forms of an operation apart (tested).
    Raises: SiteError if no form has so many (remedy: pack the model again).

    >>> site_roles("conv2d", 2)
    ('conv.input', 'conv.weight')
    """
    for _, roles in schema_of(kind).forms:
        if len(roles) == count:
            return roles
    raise SiteError(f"an operation {kind} has {count} sites, which none of its forms has; pack the model again.")


def _conv(a: Mapping[str, Any]) -> dict[str, Shape]:
    weight = (a["out"], a["in"], a["kernel"], a["kernel"])
    return {"weight": weight, "conv.codes": weight, "bias": (a["out"],), "prelu": (a["out"],)}


def _block(a: Mapping[str, Any]) -> dict[str, Shape]:
    dim, hidden = a["dim"], a["hidden"]
    square = {f"{part}.codes": (dim, dim) for part in ("q", "k", "v", "proj")}
    return {
        **square,
        "fc1.codes": (hidden, dim),
        "fc2.codes": (dim, hidden),
        "norm": (4, dim),
        "bias": (5 * dim + hidden,),
        "table": ((2 * a["window"] - 1) ** 2, a["heads"]),
    }


_SHAPES: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Shape]]] = MappingProxyType(
    {
        "conv2d": _conv,
        "window_block": _block,
        "layer_norm": lambda a: {"norm": (2, a["dim"])},
        "activation": lambda a: {"prelu": (None,)},
    }
)


def tensor_shapes(kind: str, name: str, attrs: Mapping[str, Any], sites: frozenset[str]) -> dict[str, Shape]:
    """Shape of each tensor of an operation, by role, in the order of storage.

    `attrs` must have been checked. Raises: UnknownOpError, SiteError.

    >>> tensor_shapes("layer_norm", "norm", {"dim": 60, "eps": 1e-5}, frozenset())
    {'norm': (2, 60)}
    """
    roles = form_of(kind, name, sites)
    if attrs.get("act") == "prelu":
        roles += schema_of(kind).optional
    return {role: _SHAPES[kind](attrs)[role] for role in roles}


def weight_site(role: str) -> str:
    """The site that holds the grids of a tensor of codes.

    >>> weight_site("fc1.codes")
    'fc1.weight'
    """
    return role.removesuffix(".codes") + ".weight"


def is_codes(role: str) -> bool:
    """Whether the tensor of this role holds weight codes; the others hold floats."""
    return role.endswith(".codes")
