"""The JSON schema of a packed model's program, made from the table of operations.

Its text is the file ``docs/packed.schema.json``; a test keeps the two equal.
"""

from __future__ import annotations

from typing import Any

from intaglio.packed.format import VERSION
from intaglio.packed.schema import ACTIVATIONS, OPS, OpSchema
from intaglio.packed.validate import LIMITS, MAX_NAME, MAX_OPS, MAX_SCALE
from intaglio.spec import MAX_BITS, MAX_PIECES, MIN_BITS, Coverage

_NAME = {"type": "string", "minLength": 1, "maxLength": MAX_NAME}
_INDEX = {"type": "integer", "minimum": 0}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _attribute(name: str, type_: type) -> dict[str, Any]:
    if type_ is str:
        return {"enum": list(ACTIVATIONS)}
    low, high = LIMITS[name]
    number = {"type": "integer" if type_ is int else "number", "minimum": low, "maximum": high}
    return {"type": "array", "items": number, "minItems": 3, "maxItems": 3} if type_ is tuple else number


def _operation(kind: str, schema: OpSchema) -> dict[str, Any]:
    positive = {"type": "integer", "minimum": 1, "maximum": (1 << MAX_BITS) - 1}
    piece = {"type": "array", "items": positive, "minItems": 2, "maxItems": 2}
    pieces = {"type": "array", "items": piece, "minItems": 1, "maxItems": MAX_PIECES}
    site = {
        "type": "array",
        "prefixItems": [_INDEX, {"type": "integer", "minimum": MIN_BITS, "maximum": MAX_BITS}, _INDEX, _INDEX, pieces],
        "minItems": 4,
        "maxItems": 5,
    }
    counts = [len(roles) for _, roles in schema.forms]
    least, most = schema.arity
    return _object(
        {
            "kind": {"const": kind},
            "name": _NAME,
            "in": {"type": "array", "items": _NAME, "minItems": least, "maxItems": most},
            "out": _NAME,
            "attrs": _object({name: _attribute(name, type_) for name, type_ in schema.attrs.items()}),
            "sites": {"type": "array", "items": site, "minItems": min(counts), "maxItems": max(counts)},
        }
    )


def document() -> dict[str, Any]:
    """The schema, JSON Schema 2020-12, of the text under the key ``intaglio`` of a packed model's metadata."""
    text, count = {"type": "string"}, {"type": "integer"}
    calibration = _object({"name": text, "content_hash": text, "count": count})
    header = {
        "recipe": {"type": "object"},
        "calibration": {"anyOf": [calibration, {"type": "null"}]},
        "protocol": text,
        "provenance": _object({"source_sha256": text, "version": text, "created": text}),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "intaglio packed model",
        **_object(
            {
                "version": {"const": VERSION},
                "scale": {"type": "integer", "minimum": 1, "maximum": MAX_SCALE},
                "architecture": _NAME,
                "coverage": {"enum": [coverage.value for coverage in Coverage]},
                "remainder": {"enum": ["half", "single"]},
                "names": {"type": "array", "items": {"type": "string", "pattern": "^[+=]"}},
                "ops": {
                    "type": "array",
                    "items": {"anyOf": [_operation(kind, schema) for kind, schema in OPS.items()]},
                    "minItems": 2,
                    "maxItems": MAX_OPS,
                },
                "header": _object(header),
            }
        ),
    }
