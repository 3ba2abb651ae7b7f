"""The tensors of all operations, one after another in one array for each type; records say which and how long.

A program of small operations has some hundreds of tensors: one entry in the container's table for each would be larger
than many of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from intaglio.packed.bits import pack, packed_size, unpack
from intaglio.packed.container import DTYPES
from intaglio.packed.errors import ExtraTensorError, MissingTensorError, TensorShapeError, TensorTypeError
from intaglio.packed.field import Shape

POOLS: Mapping[str, str] = MappingProxyType({"F32": "singles", "I32": "indices", "F16": "halves", "U8": "codes"})
"""The name of the array that holds the tensors of a type."""


class PoolWriter:
    """Collects tensors; `arrays` are the pools that are not empty."""

    def __init__(self) -> None:
        self._parts: dict[str, list[NDArray[Any]]] = {}

    def add(self, tensor: NDArray[Any], bits: int | None) -> str:
        """Append codes of `bits` bits (a tensor of another kind if None) and return the type that they got.

        Floats are stored in half precision where that holds every number of the tensor exactly.
        """
        if bits is not None:
            return self._append("U8", pack(np.ascontiguousarray(tensor).reshape(-1), bits))
        if tensor.dtype == np.int32:
            return self._append("I32", tensor)
        with np.errstate(over="ignore"):
            half = tensor.astype(DTYPES["F16"])
        exact = np.array_equal(half.astype(np.float32), tensor)
        return self._append("F16", half) if exact else self._append("F32", tensor)

    def _append(self, code: str, tensor: NDArray[Any]) -> str:
        self._parts.setdefault(code, []).append(tensor.astype(DTYPES[code]).reshape(-1))
        return code

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The pools by name."""
        return {POOLS[code]: np.concatenate(parts) for code, parts in self._parts.items()}


class PoolReader:
    """Gives the tensors of a file's pools, in the order in which they were added.

    Raises: TensorTypeError, TensorShapeError if a pool is no row of its type.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._pools = {code: arrays[name] for code, name in POOLS.items() if name in arrays}
        self._read = dict.fromkeys(self._pools, 0)
        for code, pool in self._pools.items():
            if pool.dtype != DTYPES[code]:
                raise TensorTypeError(f"{POOLS[code]} are {pool.dtype}, expected {DTYPES[code]}; fetch the file again.")
            if pool.ndim != 1:
                raise TensorShapeError(f"{POOLS[code]} have shape {pool.shape}, expected a row; fetch the file again.")

    def take(self, where: str, code: str, shape: Shape, bits: int | None) -> NDArray[Any]:
        """The next tensor of a type: codes of `bits` bits one a byte, floats in single precision.

        Raises: MissingTensorError if the pool ends before; TensorTypeError for codes without bits or the reverse.
        """
        if (code == "U8") != (bits is not None):
            raise TensorTypeError(f"{where} is stored as {code}; quantize the model again.")
        count = prod(shape)
        length = count if bits is None else packed_size(count, bits)
        start = self._read.get(code, 0)
        pool = self._pools.get(code, np.empty(0, DTYPES[code]))
        if start + length > len(pool):
            raise MissingTensorError(f"the file ends before {where}; fetch it again or quantize anew.")
        self._read[code] = start + length
        part = pool[start : start + length]
        if bits is not None:
            return unpack(part, count, bits).reshape(shape)
        return part.astype(np.float32 if code == "F16" else DTYPES[code]).reshape(shape)

    def finish(self) -> None:
        """Raises: ExtraTensorError if something was not taken."""
        left = [POOLS[code] for code, pool in self._pools.items() if self._read[code] < len(pool) or not len(pool)]
        if left:
            raise ExtraTensorError(f"no operation uses the end of {left}; fetch the file again or quantize anew.")
