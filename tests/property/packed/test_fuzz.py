"""Whatever happens to a file's bytes or JSON, loading gives a sound program or a PackedError, nothing else."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intaglio.errors import PackedError
from intaglio.packed.container import Container, to_bytes
from intaglio.packed.examples import random_program
from intaglio.packed.format import KEY, OPERATIONS, compress, encode, load, operations
from intaglio.packed.header import Calibration, Header
from intaglio.packed.validate import validate
from intaglio.spec import Coverage

HEADER = Header({"method": "dobi"}, Calibration("div2k", "ab", 3))
SOUND = [
    encode(random_program(np.random.default_rng(0), kind="swin", dim=2, heads=1, window=2, blocks=1), HEADER),
    encode(random_program(np.random.default_rng(0), kind="cnn", dim=2, blocks=1, coverage=Coverage.FULL), HEADER),
    encode(random_program(np.random.default_rng(0), kind="mixed", dim=2, heads=1, blocks=1), HEADER),
]
FILES = [to_bytes(container) for container in SOUND]
many = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

odd_values = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 40), st.sampled_from([10**6, 2**63, -(2**70), 10**30]),
    st.floats(), st.text(max_size=4), st.lists(st.integers(0, 3), max_size=4), st.just({}),
)  # fmt: skip


def attempt(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    try:
        program = load(path).program
    except PackedError:
        return
    validate(program)


@many
@given(st.sampled_from(FILES), st.data())
def test_damaged_bytes(tmp_path: Path, file: bytes, data: st.DataObject) -> None:
    damaged = bytearray(file)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(damaged) - 1) if damaged else st.just(0))
        match data.draw(st.sampled_from(["flip", "cut", "insert", "remove"])):
            case "flip" if damaged:
                damaged[place] ^= 1 << data.draw(st.integers(0, 7))
            case "cut":
                del damaged[place:]
            case "remove":
                del damaged[place : place + data.draw(st.integers(1, 9))]
            case _:
                damaged[place:place] = data.draw(st.binary(max_size=9))
    attempt(tmp_path / "model", bytes(damaged))


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path to every value of a JSON document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, item in inner for found in places(item, (*path, key)))]


@many
@given(st.sampled_from(SOUND), st.data())
def test_edited_documents(tmp_path: Path, container: Container, data: st.DataObject) -> None:
    document: Any = {**json.loads(container.metadata[KEY]), "ops": operations(container)}
    for _ in range(data.draw(st.integers(1, 2))):
        *parents, last = data.draw(st.sampled_from([path for path in places(document) if path]))
        target = document
        for key in parents:
            target = target[key]
        if data.draw(st.booleans()):
            target[last] = data.draw(odd_values)
        elif isinstance(target, list):
            target.insert(last, copy.deepcopy(data.draw(st.sampled_from([target[last], target[-1]]))))
        else:
            del target[last]
        if not places(document)[1:]:
            break
    ops = compress(json.dumps(document.pop("ops", None)))
    attempt(tmp_path / "model", to_bytes(Container({KEY: json.dumps(document)}, {**container.arrays, OPERATIONS: ops})))


@many
@given(st.sampled_from(SOUND), st.binary(max_size=40), st.integers(0, 40))
def test_damaged_operations(tmp_path: Path, container: Container, noise: bytes, place: int) -> None:
    stored = container.arrays[OPERATIONS].tobytes()
    damaged = np.frombuffer(stored[:place] + noise + stored[place + len(noise) :], np.uint8)
    attempt(tmp_path / "model", to_bytes(Container(container.metadata, {**container.arrays, OPERATIONS: damaged})))


@pytest.mark.parametrize("text", ["[" * 100_000, "1" * 10_000, '{"version":1,"version":1}', '"\\ud800"', "Infinity"])
def test_hostile_json(tmp_path: Path, text: str) -> None:
    with pytest.raises(PackedError):
        attempt_raising(tmp_path / "model", to_bytes(Container({KEY: text}, {})))
    with pytest.raises(PackedError):
        attempt_raising(tmp_path / "model", len(text).to_bytes(8, "little") + text.encode())
    arrays = {**SOUND[0].arrays, OPERATIONS: compress(text)}
    with pytest.raises(PackedError):
        attempt_raising(tmp_path / "model", to_bytes(Container(SOUND[0].metadata, arrays)))


def attempt_raising(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    load(path)
