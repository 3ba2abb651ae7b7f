"""Packed models on disk: a program and its header as one safetensors file, and back. Written out in ``docs/format.md``.

Bytes are `container.py`, bits are `bits.py`, soundness is `validate.py`.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from intaglio._atomic import atomic_write
from intaglio.packed import header as headers
from intaglio.packed.bits import pack, packed_size, unpack
from intaglio.packed.container import DTYPES, Container, parse_json, read, to_bytes
from intaglio.packed.errors import (
    ExtraTensorError,
    FormatVersionError,
    HeaderError,
    MissingTensorError,
    NonFiniteError,
    NotIntaglioError,
    TensorShapeError,
    TensorTypeError,
)
from intaglio.packed.grids import GridReader, GridWriter
from intaglio.packed.header import Header
from intaglio.packed.layout import Shape, is_codes, tensor_shapes, weight_site
from intaglio.packed.ops import OpRecord, decode_ops, encode_ops
from intaglio.packed.program import Op, Program, Site
from intaglio.packed.validate import validate
from intaglio.spec import Coverage

VERSION = 1
KEY = "intaglio"
GRIDS = "grids"

Remainder = Literal["half", "single"]
"""How float parameters are stored: IEEE half precision, or single."""

_REMAINDER_DTYPES = {"half": "F16", "single": "F32"}


@dataclass(frozen=True)
class PackedModel:
    """A program with what its file tells of it."""

    program: Program
    header: Header


def save(
    program: Program, path: str | os.PathLike[str], header: Header | None = None, *, remainder: Remainder = "half"
) -> None:
    """Write `program` to `path`, whole or not at all.

    Guarantee: the same program and header give the same bytes. Float parameters are rounded to half precision unless
    `remainder` is ``"single"``; codes and grids are exact.
    Raises: a subclass of PackedError if the program is not sound; OutputError if the file cannot be written.
    """
    data = to_bytes(encode(program, header or Header(), remainder))
    with atomic_write(path) as stream:
        stream.write(data)


def load(path: str | os.PathLike[str]) -> PackedModel:
    """The packed model in a file, checked from end to end.

    Guarantee: any file gives a sound program or a subclass of PackedError, within memory proportional to its size.
    Raises: PackedError (remedy in each message).
    """
    return decode(read(path))


def encode(program: Program, header: Header, remainder: Remainder = "half") -> Container:
    """The container of a program. Raises: PackedError if the program is not sound or does not fit half precision."""
    validate(program)
    grids = GridWriter()
    ops, names = encode_ops(program, grids)
    document = {
        "version": VERSION,
        "scale": program.scale,
        "architecture": program.architecture,
        "coverage": program.coverage.value,
        "remainder": remainder,
        "names": names,
        "ops": ops,
        "header": headers.encode(header),
    }
    arrays: dict[str, NDArray[Any]] = {GRIDS: grids.array()}
    for index, op in enumerate(program.ops):
        for role in tensor_shapes(op.kind, op.name, op.attrs, frozenset(op.sites)):
            arrays[f"{index}.{role}"] = _store(op, role, remainder)
    try:
        text = json.dumps(document, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise HeaderError(f"the recipe holds something that JSON cannot ({error}); keep to plain values.") from None
    return Container({KEY: text}, arrays)


def _store(op: Op, role: str, remainder: Remainder) -> NDArray[Any]:
    tensor = op.tensors[role]
    if is_codes(role):
        return pack(np.ascontiguousarray(tensor).reshape(-1), op.sites[weight_site(role)].bits)
    dtype = DTYPES[_REMAINDER_DTYPES[remainder]]
    if np.abs(tensor).max(initial=0.0) > np.finfo(dtype).max:
        raise NonFiniteError(f"{op.name!r}: {role} exceeds half precision (65504); save with remainder='single'.")
    return np.ascontiguousarray(tensor, dtype=dtype)


_DOCUMENT = {
    "version": int,
    "scale": int,
    "architecture": str,
    "coverage": str,
    "remainder": str,
    "names": list,
    "ops": list,
    "header": dict,
}


def decode(container: Container) -> PackedModel:
    """The program and header of a container. Raises: PackedError (remedy in each message)."""
    document = _document(container)
    records = decode_ops(document["ops"], document["names"])
    expected = {f"{index}.{role}": None for index, record in enumerate(records) for role in record.tensors}
    if missing := [name for name in (GRIDS, *expected) if name not in container.arrays]:
        raise MissingTensorError(f"the file lacks the tensors {missing[:4]}; fetch or pack it again.")
    if extra := sorted(container.arrays.keys() - expected.keys() - {GRIDS}):
        raise ExtraTensorError(f"no operation uses the tensors {extra[:4]}; fetch or pack the file again.")
    grids = _grids(container.arrays[GRIDS], records)
    dtype = DTYPES[_REMAINDER_DTYPES[document["remainder"]]]
    ops = tuple(_op(index, record, grids, container, dtype) for index, record in enumerate(records))
    program = Program(document["scale"], document["architecture"], Coverage(document["coverage"]), ops)
    validate(program)
    return PackedModel(program, headers.decode(document["header"]))


def _document(container: Container) -> dict[str, Any]:
    if KEY not in container.metadata:
        raise NotIntaglioError(
            "the file is a checkpoint: it holds tensors but no program; `intaglio quantize` makes a packed model of it."
        )
    try:
        document = parse_json(container.metadata[KEY])
    except ValueError as error:
        raise HeaderError(f"the program is no JSON ({error}); fetch or pack the file again.") from None
    version = document.get("version") if isinstance(document, dict) else None
    if version != VERSION or type(version) is not int:
        raise FormatVersionError(
            f"format version {str(version)[:20]}, this release reads {VERSION}; install its match."
        )
    headers.take(document, "the program", _DOCUMENT)
    if document["coverage"] not in tuple(Coverage) or document["remainder"] not in _REMAINDER_DTYPES:
        raise HeaderError("coverage or remainder is of no known kind; pack the model again.")
    return cast(dict[str, Any], document)


def _grids(array: NDArray[Any], records: list[OpRecord]) -> GridReader:
    if array.dtype != np.float32:
        raise TensorTypeError(f"the grids are {array.dtype}, expected float32; pack the model again.")
    if array.ndim != 2 or array.shape[1] != 2:
        raise TensorShapeError(f"the grids have shape {array.shape}, expected (rows, 2); pack the model again.")
    return GridReader(array, ((site.start, site.count) for record in records for site in record.sites.values()))


def _op(index: int, record: OpRecord, grids: GridReader, container: Container, dtype: np.dtype[Any]) -> Op:
    sites = {
        role: Site(site.name, grids.get(site.start, site.count, site.bits, site.pieces))
        for role, site in record.sites.items()
    }
    tensors = {}
    for role, shape in record.tensors.items():
        where, stored = f"{index}.{role}", container.arrays[f"{index}.{role}"]
        if is_codes(role):
            tensors[role] = _codes(where, stored, shape, sites[weight_site(role)].bits)
        elif stored.dtype != dtype:
            raise TensorTypeError(f"tensor {where} is {stored.dtype}, expected {dtype}; pack the model again.")
        else:
            tensors[role] = stored.astype(np.float32)
    return Op(record.kind, record.name, record.inputs, record.output, record.attrs, tensors, sites)


def _codes(where: str, stored: NDArray[Any], shape: Shape, bits: int) -> NDArray[Any]:
    sides = tuple(length or 0 for length in shape)
    count = math.prod(sides)
    if stored.dtype != np.uint8:
        raise TensorTypeError(f"tensor {where} is {stored.dtype}, expected uint8; pack the model again.")
    if stored.shape != (packed_size(count, bits),):
        raise TensorShapeError(
            f"tensor {where} has shape {stored.shape}, expected ({packed_size(count, bits)},); pack it again."
        )
    return unpack(stored, count, bits).reshape(sides)
