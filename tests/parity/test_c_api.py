"""The C API gives what the engine gives, tells its progress, stops when asked, and says in a line why it refuses."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from intaglio.packed.container import to_bytes
from intaglio.packed.examples import random_program
from intaglio.packed.format import encode
from intaglio.packed.header import Header
from intaglio.runtime import native
from intaglio.runtime.native import NativeProgram

DONE, FAILED, CANCELLED = range(3)
PROGRESS = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_int)
PROGRAM = random_program(np.random.default_rng(0), kind="swin")
FILE = to_bytes(encode(PROGRAM, Header()))
SIZE = (9, 14)


@pytest.fixture(scope="module")
def api() -> ctypes.CDLL:
    library = ctypes.CDLL(native.core().__file__)
    library.intaglio_load.restype = ctypes.c_void_p
    library.intaglio_memory.restype = ctypes.c_size_t
    for name in ("intaglio_last_error", "intaglio_architecture", "intaglio_isa"):
        getattr(library, name).restype = ctypes.c_char_p
    return library


@pytest.fixture
def model(api: ctypes.CDLL) -> Iterator[ctypes.c_void_p]:
    handle = ctypes.c_void_p(api.intaglio_load(FILE, len(FILE), 1, b""))
    assert handle
    yield handle
    api.intaglio_free(handle)


def pointer(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def test_a_model_tells_what_it_is(api: ctypes.CDLL, model: ctypes.c_void_p) -> None:
    numbers = [getattr(api, f"intaglio_{what}")(model) for what in ("scale", "channels_in", "channels_out", "multiple")]
    assert numbers == [PROGRAM.scale, 3, 3, PROGRAM.ops[0].integer("multiple")]
    assert api.intaglio_architecture(model).decode() == PROGRAM.architecture
    assert api.intaglio_memory(model, *SIZE) > 0
    assert api.intaglio_memory(model, 0, 3) == 0


def test_bytes_and_planes_are_those_of_the_engine(api: ctypes.CDLL, model: ctypes.c_void_p) -> None:
    rng = np.random.default_rng(1)
    engine = NativeProgram(PROGRAM, threads=1, isa=api.intaglio_isa(model).decode())
    picture = rng.integers(0, 256, (*SIZE, 3), np.uint8)
    result = np.empty((SIZE[0] * 2, SIZE[1] * 2, 3), np.uint8)
    assert api.intaglio_run_bytes(model, pointer(picture), *SIZE, pointer(result), None, None) == DONE
    assert np.array_equal(result, engine.run(picture))
    planes = rng.random((3, *SIZE), dtype=np.float32)
    values = np.empty((3, SIZE[0] * 2, SIZE[1] * 2), np.float32)
    assert api.intaglio_run_planes(model, pointer(planes), *SIZE, pointer(values), None, None) == DONE
    assert np.array_equal(values, engine.planes(planes))


def test_progress_goes_to_the_end_and_stops_when_asked(api: ctypes.CDLL, model: ctypes.c_void_p) -> None:
    picture = np.zeros((*SIZE, 3), np.uint8)
    result = np.empty((SIZE[0] * 2, SIZE[1] * 2, 3), np.uint8)
    told: list[tuple[int, int]] = []

    def run(last: int | None) -> int:
        def progress(context: Any, done: int, everything: int) -> int:
            told.append((done, everything))
            return done == last

        told.clear()
        status = api.intaglio_run_bytes(model, pointer(picture), *SIZE, pointer(result), PROGRESS(progress), None)
        return int(status)

    assert run(None) == DONE
    everything = told[0][1]
    assert told == [(done, everything) for done in range(1, everything + 1)]
    assert run(2) == CANCELLED
    assert told == [(1, everything), (2, everything)]


def test_refusals_name_a_reason(api: ctypes.CDLL, model: ctypes.c_void_p) -> None:
    assert api.intaglio_load(FILE[:-3], len(FILE) - 3, 1, b"") is None
    assert "fetch it again" in api.intaglio_last_error().decode()
    assert api.intaglio_load(FILE, len(FILE), 1, b"abacus") is None
    assert "abacus" in api.intaglio_last_error().decode()
    assert api.intaglio_run_bytes(model, None, 0, 5, None, None, None) == FAILED
    assert "picture" in api.intaglio_last_error().decode()
