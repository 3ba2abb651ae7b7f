"""Packed models on disk: a program and its header as one safetensors file, and back. Written out in ``docs/format.md``.

Bytes are `container.py`, bits are `bits.py`, soundness is `validate.py`.
"""

from __future__ import annotations

import json
import math
import os
import zlib
from dataclasses import dataclass
from typing import Any, cast

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
    NotIntaglioError,
    SiteError,
    TensorShapeError,
    TensorTypeError,
)
from intaglio.packed.field import Shape
from intaglio.packed.grids import GridReader, GridWriter
from intaglio.packed.header import Header
from intaglio.packed.layout import is_codes, weight_site
from intaglio.packed.program import Op, Program, Site
from intaglio.packed.records import OpRecord, decode_ops, encode_ops
from intaglio.packed.validate import validate
from intaglio.spec import Coverage

VERSION = 2
KEY = "intaglio"
GRIDS = "grids"
OPERATIONS = "operations"

MAX_TEXT = 16 << 20
"""The most bytes that the text of the operations may have; it is stored compressed."""
_RATIO = 1032
"""The most bytes that one byte of deflated data can stand for."""


@dataclass(frozen=True)
class PackedModel:
    """A program with what its file tells of it."""

    program: Program
    header: Header


def save(program: Program, path: str | os.PathLike[str], header: Header | None = None) -> None:
    """Write `program` to `path`, whole or not at all.

    Guarantee: the same program and header give the same bytes (with one version of zlib), and `load` gives back the
    same program: a float tensor is stored in half precision only where that holds every number of it exactly.
    Raises: a subclass of PackedError if the program is not sound; OutputError if the file cannot be written.
    """
    data = to_bytes(encode(program, header or Header()))
    with atomic_write(path) as stream:
        stream.write(data)


def load(path: str | os.PathLike[str]) -> PackedModel:
    """The packed model in a file, checked from end to end.

    Guarantee: any file gives a sound program or a subclass of PackedError, within memory proportional to its size.
    Raises: PackedError (remedy in each message).
    """
    return decode(read(path))


def encode(program: Program, header: Header) -> Container:
    """The container of a program. Raises: PackedError if the program is not sound."""
    validate(program)
    grids = GridWriter()
    records = encode_ops(program, grids)
    document = {
        "version": VERSION,
        "scale": program.scale,
        "architecture": program.architecture,
        "coverage": program.coverage.value,
        "header": headers.encode(header),
    }
    arrays: dict[str, NDArray[Any]] = {GRIDS: grids.array(), OPERATIONS: compress(_text(records))}
    for index, (op, record) in enumerate(zip(program.ops, records, strict=True)):
        for role in record["tensors"]:
            arrays[f"{index}.{role}"] = _store(op, role)
    return Container({KEY: _text(document)}, arrays)


def _text(document: Any) -> str:
    try:
        return json.dumps(document, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise HeaderError(f"the recipe holds something that JSON cannot ({error}); keep to plain values.") from None


def compress(text: str) -> NDArray[np.uint8]:
    """The bytes of a text, deflated (zlib)."""
    return np.frombuffer(zlib.compress(text.encode(), 9), np.uint8)


def _decompress(data: NDArray[Any]) -> bytes:
    """The text that was deflated, of a length that the file may have. Raises: HeaderError, TensorTypeError."""
    if data.dtype != np.uint8:
        raise TensorTypeError(f"the operations are {data.dtype}, expected uint8; quantize the model again.")
    inflate = zlib.decompressobj()
    try:
        text = inflate.decompress(data.tobytes(), min(MAX_TEXT, _RATIO * data.size + 1))
    except zlib.error as error:
        raise HeaderError(f"the operations cannot be inflated ({error}); fetch the file again.") from None
    if not inflate.eof or inflate.unused_data:
        raise HeaderError(f"the operations are cut off or longer than {MAX_TEXT} bytes; fetch the file again.")
    return text


def _store(op: Op, role: str) -> NDArray[Any]:
    tensor = op.tensors[role]
    if is_codes(role):
        return pack(np.ascontiguousarray(tensor).reshape(-1), op.sites[weight_site(role)].bits)
    if tensor.dtype == np.int32:
        return tensor.astype(DTYPES["I32"])
    with np.errstate(over="ignore"):
        half = tensor.astype(DTYPES["F16"])
    exact = np.array_equal(half.astype(np.float32), tensor)
    return half if exact else tensor.astype(DTYPES["F32"])


_DOCUMENT = {"version": int, "scale": int, "architecture": str, "coverage": str, "header": dict}


def decode(container: Container) -> PackedModel:
    """The program and header of a container. Raises: PackedError (remedy in each message)."""
    document = _document(container)
    records = decode_ops(operations(container))
    expected = {f"{index}.{role}": None for index, record in enumerate(records) for role in record.tensors}
    if missing := [name for name in (GRIDS, *expected) if name not in container.arrays]:
        raise MissingTensorError(f"the file lacks the tensors {missing[:4]}; fetch it again or quantize anew.")
    if extra := sorted(container.arrays.keys() - expected.keys() - {GRIDS, OPERATIONS}):
        raise ExtraTensorError(f"no operation uses the tensors {extra[:4]}; fetch the file again or quantize anew.")
    grids = _grids(container.arrays[GRIDS], records)
    ops = tuple(_op(index, record, grids, container) for index, record in enumerate(records))
    program = Program(document["scale"], document["architecture"], Coverage(document["coverage"]), ops)
    validate(program)
    return PackedModel(program, headers.decode(document["header"]))


def operations(container: Container) -> Any:
    """The JSON value of the operations of a container, not yet looked at. Raises: MissingTensorError, HeaderError."""
    if OPERATIONS not in container.arrays:
        raise MissingTensorError(f"the file lacks the tensor {OPERATIONS!r}; fetch it again or quantize anew.")
    return _parse(_decompress(container.arrays[OPERATIONS]), "the list of operations")


def _parse(text: str | bytes, what: str) -> Any:
    try:
        return parse_json(text)
    except ValueError as error:
        raise HeaderError(f"{what} is no JSON ({error}); fetch the file again or quantize anew.") from None


def _document(container: Container) -> dict[str, Any]:
    if KEY not in container.metadata:
        raise NotIntaglioError("the file holds tensors but no program; make one of it with `intaglio quantize` first.")
    document = _parse(container.metadata[KEY], "the header")
    version = document.get("version") if isinstance(document, dict) else None
    if version == 1:
        raise FormatVersionError(
            "the file has format version 1 of an early release, which had one large operation for a transformer block; "
            f"this release reads {VERSION}. Make it anew from the checkpoint with `intaglio quantize`; `intaglio "
            "quantize --help` names the options, and the file's own metadata hold the recipe it was made by."
        )
    if version != VERSION or type(version) is not int:
        raise FormatVersionError(
            f"the file has format version {str(version)[:20]}, this release reads {VERSION}; install a newer intaglio."
        )
    headers.take(document, "the header", _DOCUMENT)
    if document["coverage"] not in tuple(Coverage):
        raise HeaderError("coverage is of no known kind; quantize the model again.")
    return cast(dict[str, Any], document)


def _grids(array: NDArray[Any], records: list[OpRecord]) -> GridReader:
    if array.dtype != np.float32:
        raise TensorTypeError(f"the grids are {array.dtype}, expected float32; quantize the model again.")
    if array.ndim != 2 or array.shape[1] != 2:
        raise TensorShapeError(f"the grids have shape {array.shape}, expected (rows, 2); quantize the model again.")
    return GridReader(array, ((site.start, site.count) for record in records for site in record.sites.values()))


def _op(index: int, record: OpRecord, grids: GridReader, container: Container) -> Op:
    sites = {
        role: Site(site.name, grids.get(site.start, site.count, site.bits, site.pieces))
        for role, site in record.sites.items()
    }
    tensors = {}
    for role, shape in record.tensors.items():
        where, stored = f"{index}.{role}", container.arrays[f"{index}.{role}"]
        if is_codes(role):
            if weight_site(role) not in sites:
                raise SiteError(f"tensor {where} holds codes, but there is no site with their grid; quantize it again.")
            tensors[role] = _codes(where, stored, shape, sites[weight_site(role)].bits)
        elif stored.shape != shape:
            raise TensorShapeError(f"tensor {where} has shape {stored.shape}, expected {shape}; fetch the file again.")
        elif stored.dtype == np.float16:
            tensors[role] = stored.astype(np.float32)
        else:
            tensors[role] = stored
    return Op(record.kind, record.name, record.inputs, record.output, record.attrs, tensors, sites)


def _codes(where: str, stored: NDArray[Any], shape: Shape, bits: int) -> NDArray[Any]:
    count = math.prod(shape)
    if stored.dtype != np.uint8:
        raise TensorTypeError(f"tensor {where} is {stored.dtype}, expected uint8; quantize the model again.")
    if stored.shape != (packed_size(count, bits),):
        raise TensorShapeError(
            f"tensor {where} has shape {stored.shape}, expected ({packed_size(count, bits)},); fetch the file again."
        )
    return unpack(stored, count, bits).reshape(shape)
