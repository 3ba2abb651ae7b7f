"""Files of packed models with damage of every kind, from a seed: all readers of the format must judge them alike."""

from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from intaglio.errors import PackedError
from intaglio.packed.container import Container, to_bytes
from intaglio.packed.examples import Kind, random_program
from intaglio.packed.examples.limits import limit_program
from intaglio.packed.format import KEY, OPERATIONS, compress, encode, operations
from intaglio.packed.header import Calibration, Header
from intaglio.packed.ops import OPS
from intaglio.spec import Coverage

_ODD: tuple[Any, ...] = (
    None, True, False, -2, -1, 0, 1, 2, 3, 8, 9, 64, 10**6, 2**31, 2**40 + 1, 2**48, 2**63, -(2**70), 10**30, 0.0, 1.0,
    0.5, -1e31, 1e999, "", "x", "F16", "reflect", "é", "\ud800", "\u2028", "n" * 257, [], {}, [1], [1, 2], [1, 1, 0, 0],
    [[1, 1, 1, 0]], [[2, 2, 1, 0]], [[1, 1, 0, 1], [1, 1, 1, 0]], [[0.5, 1]],
)  # fmt: skip
_KINDS: tuple[Kind, ...] = ("swin", "cnn", "mixed")
_TOKENS = (
    "1e5", "1E+2", "-0", "01", "1.", ".5", "+1", "NaN", "Infinity", "-Infinity", "\\ud83d\\ude00", "\\udc00", "\\u00e9",
    '\\"', "\\x", "\t", "\x01", "\x7f", ",", "}", "]", "[", '"', ":", " ", "\n", "\ufeff", "null", "1" * 4301,
    "[" * 70 + "]" * 70, '{"a":1,"a":2}', "1e400", "1e-400", "0.1e-330", "123456789012345678901234567890",
)  # fmt: skip


def damaged_file(seed: int) -> bytes:
    """A file of some bytes: a sound small model, in which something was changed, or nothing.

    >>> len(damaged_file(0)) > 8, damaged_file(3) == damaged_file(3)
    (True, True)
    """
    rng = np.random.default_rng(seed)
    container = _sound(rng)
    match rng.integers(8):
        case 0:
            return to_bytes(container)
        case 1 | 2:
            return _edited_bytes(rng, to_bytes(container))
        case 3:
            return to_bytes(_edited_text(rng, container))
        case 4:
            return to_bytes(_edited_arrays(rng, container))
        case _:
            return to_bytes(_edited_document(rng, container))


def _sound(rng: np.random.Generator) -> Container:
    header = Header({"method": "dobi"}, Calibration("div2k", "ab", 3))
    if rng.random() < 0.5:
        kind = _KINDS[int(rng.integers(len(_KINDS)))]
        coverage = Coverage.FULL if rng.random() < 0.5 else Coverage.PAPER
        bits = int(rng.integers(2, 9))
        return encode(
            random_program(rng, kind=kind, bits=bits, dim=2, heads=1, window=2, blocks=1, coverage=coverage), header
        )
    while True:
        try:
            return encode(limit_program(rng, str(rng.choice(list(OPS)))), header)
        except PackedError:
            continue


def _edited_bytes(rng: np.random.Generator, file: bytes) -> bytes:
    data = bytearray(file)
    for _ in range(rng.integers(1, 4)):
        near = len(data) if rng.random() < 0.5 else min(len(data), 900)
        place = int(rng.integers(near)) if near else 0
        match rng.integers(4):
            case 0 if data:
                data[place] ^= 1 << int(rng.integers(8))
            case 1 if rng.random() < 0.3:
                del data[place:]
            case 2:
                del data[place : place + int(rng.integers(1, 9))]
            case _:
                data[place:place] = rng.bytes(int(rng.integers(9)))
    return bytes(data)


def _deflated(text: bytes, rng: np.random.Generator) -> NDArray[np.uint8]:
    data = bytearray(compress(text.decode("utf-8", "surrogatepass")).tobytes() if rng.random() < 0.9 else text)
    if rng.random() < 0.3:
        data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
    return np.frombuffer(bytes(data), np.uint8)


def _edited_text(rng: np.random.Generator, container: Container) -> Container:
    """A token where it may not belong, in the text of the header or of the operations."""
    texts = {KEY: container.metadata[KEY], OPERATIONS: json.dumps(operations(container))}
    which = str(rng.choice([KEY, OPERATIONS]))
    place = int(rng.integers(len(texts[which])))
    token = str(rng.choice(list(_TOKENS)))
    texts[which] = texts[which][:place] + token + texts[which][place + int(rng.integers(3)) :]
    stored = compress(texts[OPERATIONS]) if rng.random() < 0.8 else _deflated(texts[OPERATIONS].encode(), rng)
    return Container({KEY: texts[KEY]}, {**container.arrays, OPERATIONS: stored})


def _edited_arrays(rng: np.random.Generator, container: Container) -> Container:
    """Another number in an array, or another length or type, or one array more or less."""
    arrays = dict(container.arrays)
    name = str(rng.choice([one for one in arrays if one != OPERATIONS] or list(arrays)))
    array = arrays[name].copy()
    match rng.integers(6):
        case 0:
            arrays["more"] = np.zeros(int(rng.integers(2)), np.float32)
        case 1:
            del arrays[name]
        case 2:
            arrays[name] = array.reshape(-1)[: int(rng.integers(array.size + 1))]
        case 3:
            arrays[name] = array.view(np.uint8)
        case _ if array.size:
            odd = (
                [0, -1, 255, 1 << 20]
                if array.dtype.kind != "f"
                else [0.0, -1.0, np.nan, np.inf, 1e-39, 1e-4, 6e4, 3e38]
            )
            with np.errstate(over="ignore"):
                value = np.asarray(rng.choice(odd)).astype(np.int64 if array.dtype.kind != "f" else array.dtype)
                array.reshape(-1)[int(rng.integers(array.size))] = value.astype(array.dtype)
            arrays[name] = array
        case _:
            pass
    return Container(container.metadata, arrays)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path to every value of a JSON document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, item in inner for found in _places(item, (*path, key)))]


def _edited_document(rng: np.random.Generator, container: Container) -> Container:
    """Values of the header or of the operations replaced, doubled, removed, or moved by one."""
    document: Any = {**json.loads(container.metadata[KEY]), "ops": operations(container)}
    for _ in range(rng.integers(1, 3)):
        paths = [path for path in _places(document) if path]
        *parents, last = paths[int(rng.integers(len(paths)))]
        target = document
        for key in parents:
            target = target[key]
        match rng.integers(5):
            case 0 | 1:
                target[last] = copy.deepcopy(_ODD[int(rng.integers(len(_ODD)))])
            case 2 if type(target[last]) is int:
                target[last] += int(rng.choice([-1, 1]))
            case 2 if type(target[last]) is float:
                target[last] *= float(rng.choice([-1.0, 1e9, 0.0]))
            case 3 if isinstance(target, list):
                target.insert(last, copy.deepcopy(target[int(rng.integers(len(target)))]))
            case _:
                del target[last]
        if not _places(document)[1:]:
            break
    stored = compress(json.dumps(document.pop("ops", None)))
    return Container({KEY: json.dumps(document)}, {**container.arrays, OPERATIONS: stored})
