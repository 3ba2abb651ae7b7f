"""The safetensors container, byte by byte: named arrays and a dictionary of strings. What they mean is `format.py`.

Written here rather than by the library for two guarantees: equal contents give equal bytes, and no length that a file
states is believed before it is held against the file's size. The library reads what is written here (tested).
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from intaglio.packed.errors import NotSafetensorsError, TruncatedError, UnreadableError

DTYPES: Mapping[str, np.dtype[Any]] = MappingProxyType(
    {"F32": np.dtype("<f4"), "I32": np.dtype("<i4"), "F16": np.dtype("<f2"), "U8": np.dtype("u1")}
)
"""The types that a packed model uses, widest first: in this order every array lies at a multiple of its item size."""

MAX_HEADER_BYTES = 16 << 20
MAX_COUNT = 1 << 48
"""What lengths and places in a file stay below."""
_METADATA = "__metadata__"
_STRANGERS = {b"PK\x03\x04": "a checkpoint (a PyTorch archive)", b"\x80\x02": "a checkpoint (an old PyTorch pickle)"}
_ALIGNMENT = 8


@dataclass(frozen=True)
class Container:
    """The contents of a safetensors file."""

    metadata: Mapping[str, str]
    arrays: Mapping[str, NDArray[Any]]


def parse_json(text: bytes | str) -> Any:
    """JSON without its dark corners: no duplicate keys, no NaN, no endless nesting; bytes are UTF-8 without a mark.

    Raises: ValueError.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) != len(pairs):
            raise ValueError("a key occurs twice")
        return result

    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is not JSON")

    try:
        text = text.decode() if isinstance(text, bytes) else text
        return json.loads(text, object_pairs_hook=unique, parse_constant=refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def to_bytes(container: Container) -> bytes:
    """The file of a container; equal contents give equal bytes."""
    order = {dtype: rank for rank, dtype in enumerate(DTYPES.values())}
    codes = {dtype: code for code, dtype in DTYPES.items()}
    header: dict[str, Any] = {_METADATA: dict(sorted(container.metadata.items()))}
    parts: list[bytes] = []
    end = 0
    for name, array in sorted(container.arrays.items(), key=lambda item: order[item[1].dtype]):
        start, end = end, end + array.nbytes
        header[name] = {"dtype": codes[array.dtype], "shape": list(array.shape), "data_offsets": [start, end]}
        parts.append(array.tobytes())
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return b"".join([len(text).to_bytes(8, "little"), text, *parts])


def read(path: str | os.PathLike[str]) -> Container:
    """The contents of a safetensors file.

    Guarantee: allocates no more than a small multiple of the size of the file, whatever the file says.
    Raises: UnreadableError, NotSafetensorsError, TruncatedError (remedies in their messages).
    """
    try:
        with Path(path).open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            first = stream.read(8)
            length = int.from_bytes(first, "little")
            if size < 10 or length > MAX_HEADER_BYTES:
                raise NotSafetensorsError(f"{path} {_kind(first)}.")
            if length > size - 8:
                raise TruncatedError(f"{path} ends within its header; fetch it again.")
            header = _header(path, stream.read(length))
            arrays = _layout(path, header, size - 8 - length)
            return Container(_metadata(path, header), _views(stream.read(), arrays))
    except OSError as error:
        raise UnreadableError(
            f"{path} cannot be read ({error.strerror}); correct the path or its permissions."
        ) from error


def _kind(first: bytes) -> str:
    """What a file that is no safetensors file is, by its first bytes, and what to do with it."""
    for start, name in _STRANGERS.items():
        if first.startswith(start):
            return f"is {name}, not a packed model; `intaglio quantize` makes one of it"
    return "is no safetensors file; give a file written by `intaglio quantize`"


def _header(path: str | os.PathLike[str], text: bytes) -> dict[str, Any]:
    try:
        header = parse_json(text)
    except ValueError as error:
        raise NotSafetensorsError(
            f"{path}: its header is no JSON ({error}); give a file of `intaglio quantize`."
        ) from None
    if not isinstance(header, dict):
        raise NotSafetensorsError(
            f"{path}: its header is no table of tensors; give a file written by `intaglio quantize`."
        )
    return header


def _metadata(path: str | os.PathLike[str], header: dict[str, Any]) -> dict[str, str]:
    metadata = header.get(_METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise NotSafetensorsError(f"{path}: its metadata are no strings; give a file written by `intaglio quantize`.")
    return metadata


@dataclass(frozen=True)
class _Entry:
    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int
    end: int


def _entry(path: str | os.PathLike[str], name: str, fields: Any) -> _Entry:
    sound = (
        isinstance(fields, dict)
        and fields.keys() == {"dtype", "shape", "data_offsets"}
        and isinstance(fields["dtype"], str)
        and all(isinstance(fields[key], list) for key in ("shape", "data_offsets"))
        and all(
            type(number) is int and 0 <= number < MAX_COUNT
            for key in ("shape", "data_offsets")
            for number in fields[key]
        )
        and len(fields["data_offsets"]) == 2
        and len(fields["shape"]) <= 8
    )
    if not sound or fields["dtype"] not in DTYPES:
        raise NotSafetensorsError(
            f"{path}: tensor {name[:40]!r} is ill described; give a file written by `intaglio quantize`."
        )
    entry = _Entry(name, DTYPES[fields["dtype"]], tuple(fields["shape"]), *fields["data_offsets"])
    if math.prod(entry.shape) * entry.dtype.itemsize != entry.end - entry.start:
        raise NotSafetensorsError(f"{path}: tensor {name[:40]!r} has another size than its shape says; fetch it again.")
    return entry


def _layout(path: str | os.PathLike[str], header: dict[str, Any], available: int) -> list[_Entry]:
    """The arrays in the order of their bytes, which must follow each other without gap or overlap to the end."""
    entries = [_entry(path, name, fields) for name, fields in header.items() if name != _METADATA]
    entries.sort(key=lambda entry: (entry.start, entry.end))
    end = 0
    for entry in entries:
        if entry.start != end:
            raise NotSafetensorsError(
                f"{path}: bytes before tensor {entry.name[:40]!r} overlap or are unused; fetch it again."
            )
        end = entry.end
    if end != available:
        raise TruncatedError(f"{path} holds {available} bytes of tensors, its header says {end}; fetch it again.")
    return entries


def _views(data: bytes, entries: list[_Entry]) -> dict[str, NDArray[Any]]:
    return {
        entry.name: np.frombuffer(data[entry.start : entry.end], dtype=entry.dtype).reshape(entry.shape)
        for entry in entries
    }
