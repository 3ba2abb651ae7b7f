"""The JSON schema of a packed model's program, made from the table of operations.

Its text is the file ``docs/packed.schema.json``; a test keeps the two equal.
"""

from __future__ import annotations

from typing import Any

from intaglio.packed.definition import MAX_RANK, Attribute, Definition, Tensor
from intaglio.packed.format import VERSION
from intaglio.packed.layout import CODES
from intaglio.packed.names import MAX_NAME
from intaglio.packed.ops import OPS
from intaglio.packed.size import MAX_COEFFICIENT, MAX_DEGREE, MAX_MULTIPLE, MAX_TERMS
from intaglio.packed.validate import MAX_OPS, MAX_SCALE
from intaglio.spec import MAX_BITS, MAX_PIECES, MIN_BITS, Coverage

_NAME = {"type": "string", "minLength": 1, "maxLength": MAX_NAME}
_INDEX = {"type": "integer", "minimum": 0}
_POWER = {"type": "integer", "minimum": 0, "maximum": MAX_DEGREE}
_MULTIPLE = {"type": "integer", "minimum": 1, "maximum": MAX_MULTIPLE}
_TERM = {
    "type": "array",
    "prefixItems": [
        {"type": "integer", "minimum": -MAX_COEFFICIENT, "maximum": MAX_COEFFICIENT},
        {"type": "integer", "minimum": 1, "maximum": MAX_COEFFICIENT},
        _POWER,
        _POWER,
        _MULTIPLE,
        _MULTIPLE,
    ],
    "minItems": 4,
    "maxItems": 6,
}
_SIZE = {"type": "array", "items": _TERM, "minItems": 1, "maxItems": MAX_TERMS}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _attribute(attribute: Attribute) -> dict[str, Any]:
    if attribute.form == "str":
        return {"enum": list(attribute.choices)}
    kind = attribute.form.removesuffix("s")
    exact = float if kind == "float" else int
    number = {
        "type": "number" if kind == "float" else "integer",
        "minimum": exact(attribute.low),
        "maximum": exact(attribute.high),
    }
    entry = {"anyOf": [number, _SIZE]} if kind == "size" else number
    if not attribute.form.endswith("s"):
        return entry
    return {"type": "array", "items": entry, "minItems": attribute.least, "maxItems": attribute.most}


def _tensor(tensor: Tensor, types: list[str]) -> dict[str, Any]:
    if tensor.dims is None:
        axes, most = [_INDEX] * MAX_RANK, MAX_RANK
    else:
        axes, most = [{"type": "integer", "minimum": 1, "maximum": dim.most} for dim in tensor.dims], len(tensor.dims)
    least = 0 if tensor.dims is None else most
    return {"type": "array", "prefixItems": [{"enum": types}, *axes], "minItems": least + 1, "maxItems": most + 1}


def _tensors(definition: Definition) -> dict[str, Any]:
    shapes: dict[str, Any] = {}
    for tensor in definition.tensors:
        shapes[tensor.role] = _tensor(tensor, ["I32"] if tensor.form == "indices" else ["F16", "F32"])
        if tensor.form == "weight":
            shapes[tensor.role + CODES] = _tensor(tensor, ["U8"])
    return {"type": "object", "properties": shapes, "required": [], "additionalProperties": False}


def _operation(kind: str, definition: Definition) -> dict[str, Any]:
    positive = {"type": "integer", "minimum": 1, "maximum": (1 << MAX_BITS) - 1}
    piece = {"type": "array", "items": positive, "minItems": 2, "maxItems": 2}
    pieces = {"type": "array", "items": piece, "minItems": 1, "maxItems": MAX_PIECES}
    site = {
        "type": "array",
        "prefixItems": [_NAME, {"type": "integer", "minimum": MIN_BITS, "maximum": MAX_BITS}, _INDEX, _INDEX, pieces],
        "minItems": 4,
        "maxItems": 5,
    }
    least, most = definition.arity
    return _object(
        {
            "kind": {"const": kind},
            "name": _NAME,
            "in": {"type": "array", "items": _NAME, "minItems": least, "maxItems": most},
            "out": _NAME,
            "attrs": _object({name: _attribute(attribute) for name, attribute in definition.attrs.items()}),
            "tensors": _tensors(definition),
            "sites": {"type": "array", "items": site, "minItems": 0, "maxItems": len(definition.sites)},
        }
    )


def document() -> dict[str, Any]:
    """The schemas (JSON Schema 2020-12) of the two texts of a packed model.

    They are its header, under the key ``intaglio`` of the metadata, and its operations, deflated in ``operations``.
    """
    text, count = {"type": "string"}, {"type": "integer"}
    calibration = _object({"name": text, "content_hash": text, "count": count})
    header = {
        "recipe": {"type": "object"},
        "calibration": {"anyOf": [calibration, {"type": "null"}]},
        "protocol": text,
        "provenance": _object({"source_sha256": text, "version": text, "created": text}),
    }
    whole = {
        "version": {"const": VERSION},
        "scale": {"type": "integer", "minimum": 1, "maximum": MAX_SCALE},
        "architecture": _NAME,
        "coverage": {"enum": [coverage.value for coverage in Coverage]},
        "header": _object(header),
    }
    operations = {
        "type": "array",
        "items": {"anyOf": [_operation(kind, definition) for kind, definition in OPS.items()]},
        "minItems": 2,
        "maxItems": MAX_OPS,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "intaglio packed model",
        "$defs": {"header": _object(whole), "operations": operations},
    }
