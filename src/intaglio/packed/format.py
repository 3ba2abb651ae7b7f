"""Packed models on disk: a program and its header as one safetensors file, and back. Written out in ``docs/format.md``.

Bytes are `container.py`, bits are `bits.py`, soundness is `validate.py`.
"""

from __future__ import annotations

import json
import os
import zlib
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from intaglio._atomic import atomic_write
from intaglio.packed import header as headers
from intaglio.packed.container import Container, parse_json, read, to_bytes
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
from intaglio.packed.grids import GridReader, GridWriter
from intaglio.packed.header import Header
from intaglio.packed.layout import is_codes, weight_site
from intaglio.packed.pools import POOLS, PoolReader, PoolWriter
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
    grids, pools = GridWriter(), PoolWriter()
    records = encode_ops(program, grids, pools)
    document = {
        "version": VERSION,
        "scale": program.scale,
        "architecture": program.architecture,
        "coverage": program.coverage.value,
        "header": headers.encode(header),
    }
    arrays = {GRIDS: grids.array(), OPERATIONS: compress(_text(records)), **pools.arrays()}
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
        most = min(MAX_TEXT, _RATIO * data.size)
        text = inflate.decompress(data.tobytes(), most + 1)
    except zlib.error as error:
        raise HeaderError(f"the operations cannot be inflated ({error}); fetch the file again.") from None
    if not inflate.eof or inflate.unused_data or len(text) > most:
        raise HeaderError(f"the operations are cut off or longer than {MAX_TEXT} bytes; fetch the file again.")
    return text


_DOCUMENT = {"version": int, "scale": int, "architecture": str, "coverage": str, "header": dict}


def decode(container: Container) -> PackedModel:
    """The program and header of a container. Raises: PackedError (remedy in each message)."""
    document = _document(container)
    records = decode_ops(operations(container))
    if GRIDS not in container.arrays:
        raise MissingTensorError(f"the file lacks the tensor {GRIDS!r}; fetch it again or quantize anew.")
    if extra := sorted(container.arrays.keys() - {GRIDS, OPERATIONS, *POOLS.values()}):
        raise ExtraTensorError(f"no operation uses the tensors {extra[:4]}; fetch the file again or quantize anew.")
    grids, pools = _grids(container.arrays[GRIDS], records), PoolReader(container.arrays)
    ops = tuple(_op(index, record, grids, pools) for index, record in enumerate(records))
    pools.finish()
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
        raise NotIntaglioError(
            "the file is a checkpoint: it holds tensors but no program; `intaglio quantize` makes a packed model of it."
        )
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
    headers.check_depth(document)
    if document["coverage"] not in tuple(Coverage):
        raise HeaderError("coverage is of no known kind; quantize the model again.")
    return cast(dict[str, Any], document)


def _grids(array: NDArray[Any], records: list[OpRecord]) -> GridReader:
    if array.dtype != np.float32:
        raise TensorTypeError(f"the grids are {array.dtype}, expected float32; quantize the model again.")
    if array.ndim != 2 or array.shape[1] != 2:
        raise TensorShapeError(f"the grids have shape {array.shape}, expected (rows, 2); quantize the model again.")
    return GridReader(array, ((site.start, site.count) for record in records for site in record.sites.values()))


def _op(index: int, record: OpRecord, grids: GridReader, pools: PoolReader) -> Op:
    sites = {
        role: Site(site.name, grids.get(site.start, site.count, site.bits, site.pieces))
        for role, site in record.sites.items()
    }
    tensors = {}
    for role, (code, shape) in record.tensors.items():
        where = f"{role} of operation {index}"
        if is_codes(role) and weight_site(role) not in sites:
            raise SiteError(f"{where} holds codes, but there is no site with their grid; quantize the model again.")
        bits = sites[weight_site(role)].bits if is_codes(role) else None
        tensors[role] = pools.take(where, code, shape, bits)
    return Op(record.kind, record.name, record.inputs, record.output, record.attrs, tensors, sites)
