"""Where a packed model comes from: recipe, calibration set, metric protocol, provenance; as values and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any

from intaglio.packed.errors import HeaderError

MAX_DEPTH = 64
"""How deeply the values of a file may nest."""


@dataclass(frozen=True)
class Calibration:
    """The calibration set: its name, the hash of its contents, the number of its pictures."""

    name: str
    content_hash: str
    count: int


@dataclass(frozen=True)
class Provenance:
    """The float weights (SHA-256 of their file), the version of intaglio that packed them, and the date (ISO 8601).

    Empty strings stand for what is not known.
    """

    source_sha256: str = ""
    version: str = ""
    created: str = ""


@dataclass(frozen=True)
class Header:
    """What a packed model tells of itself beside its program. `recipe` holds JSON values only."""

    recipe: Mapping[str, Any] = field(default_factory=dict)
    calibration: Calibration | None = None
    protocol: str = ""
    provenance: Provenance = field(default_factory=Provenance)

    def __post_init__(self) -> None:
        object.__setattr__(self, "recipe", MappingProxyType(dict(self.recipe)))


def take(fields: Any, where: str, types: Mapping[str, type | tuple[type, ...]]) -> dict[str, Any]:
    """`fields`, if it is an object with exactly these keys and value types.

    Raises: HeaderError (remedy: quantize the model again).

    >>> take({"count": 3}, "calibration", {"count": int})
    {'count': 3}
    """
    if not isinstance(fields, dict) or fields.keys() != types.keys():
        found = sorted(fields) if isinstance(fields, dict) else type(fields).__name__
        raise HeaderError(f"{where} has {str(found)[:200]}, expected the keys {sorted(types)}; quantize it again.")
    for key, type_ in types.items():
        if not isinstance(fields[key], type_) or isinstance(fields[key], bool):
            raise HeaderError(f"{where}: {key} is a {type(fields[key]).__name__}; quantize the model again.")
    return fields


def check_depth(value: Any, most: int = MAX_DEPTH) -> None:
    """Raises: HeaderError if lists and objects nest more deeply than `most` (remedy: a plainer recipe)."""
    if isinstance(value, list | dict):
        if not most:
            raise HeaderError(f"values nest more than {MAX_DEPTH} deep; quantize again with a plainer recipe.")
        for inner in value.values() if isinstance(value, dict) else value:
            check_depth(inner, most - 1)


def encode(header: Header) -> dict[str, Any]:
    """The header as a JSON object."""
    return {
        "recipe": dict(header.recipe),
        "calibration": asdict(header.calibration) if header.calibration else None,
        "protocol": header.protocol,
        "provenance": asdict(header.provenance),
    }


def decode(fields: Any) -> Header:
    """The header that `encode` made the object from. Raises: HeaderError."""
    types: dict[str, type | tuple[type, ...]] = {
        "recipe": dict,
        "calibration": (dict, type(None)),
        "protocol": str,
        "provenance": dict,
    }
    take(fields, "the header", types)
    calibration = fields["calibration"]
    if calibration is not None:
        calibration = Calibration(**take(calibration, "calibration", {"name": str, "content_hash": str, "count": int}))
    provenance = take(fields["provenance"], "provenance", {"source_sha256": str, "version": str, "created": str})
    return Header(fields["recipe"], calibration, fields["protocol"], Provenance(**provenance))
