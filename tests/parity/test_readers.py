"""The readers of packed models in Python and in C++: one verdict on every file, one program of a sound one."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from intaglio.errors import EngineError, PackedError
from intaglio.packed.container import Container, to_bytes
from intaglio.packed.examples import random_program
from intaglio.packed.examples.damage import damaged_file
from intaglio.packed.format import KEY, OPERATIONS, encode, load
from intaglio.packed.header import Header
from intaglio.runtime import native
from intaglio.runtime.native import NativeProgram, machine

CORE = native.core()
SEEDS = 300
MEMORY = 1 << 28


def verdicts(path: Path, data: bytes) -> tuple[Any, Any, str]:
    """What the readers make of a file: a program, or None; and the messages of those that refuse."""
    path.write_bytes(data)
    ours = theirs = None
    messages = []
    try:
        ours = load(path).program
    except PackedError as error:
        messages.append(f"Python: {error}")
    try:
        theirs = CORE.read_file(data)
    except CORE.CoreError as error:
        messages.append(f"C++: {error}")
    return ours, theirs, "; ".join(messages) or "both accept"


def assert_one_verdict(path: Path, data: bytes, where: object) -> bool:
    """Whether both accept it; fails if one does alone, or if they read different programs."""
    ours, theirs, message = verdicts(path, data)
    assert (ours is None) == (theirs is None), (where, message)
    if ours is None:
        return False
    builder, scale = theirs
    assert scale == ours.scale
    isa = machine().chosen
    results: list[Any] = []
    planes = np.random.default_rng(0).random((ours.ops[0].integer("channels"), 5, 7), dtype=np.float32)
    core = CORE.Engine(builder, scale, isa, 1, MEMORY, False)
    for run in (NativeProgram(ours, threads=1, memory=MEMORY, isa=isa, fuse=False).planes, core.planes):
        try:
            results.append(run(planes))
        except (EngineError, CORE.CoreError) as error:
            results.append(str(error))
    one, other = results
    same = one == other if isinstance(one, str) else np.array_equal(one, other, equal_nan=True)
    assert same, (where, one, other)
    return True


def test_readers_agree_on_damaged_files(tmp_path: Path) -> None:
    accepted = sum(assert_one_verdict(tmp_path / "model", damaged_file(seed), seed) for seed in range(SEEDS))
    assert SEEDS // 10 < accepted < SEEDS // 2


@pytest.mark.parametrize("kind", ["swin", "cnn", "mixed"])
@pytest.mark.parametrize("bits", [2, 3, 5, 8])
def test_a_sound_file_is_read_alike(tmp_path: Path, kind: Any, bits: int) -> None:
    program = random_program(np.random.default_rng(bits), kind=kind, bits=bits, per_channel=bits % 2 == 1)
    assert assert_one_verdict(tmp_path / "model", to_bytes(encode(program, Header())), kind)


SOUND = encode(random_program(np.random.default_rng(0), kind="cnn", dim=2, blocks=1), Header())


def with_texts(document: str, stored: bytes | None = None) -> bytes:
    arrays = SOUND.arrays if stored is None else {**SOUND.arrays, OPERATIONS: np.frombuffer(stored, np.uint8)}
    return to_bytes(Container({KEY: document}, arrays))


def recipe(text: str) -> str:
    return SOUND.metadata[KEY].replace('"recipe":{}', '"recipe":{"x":' + text + "}")


SOUND_JSON = [
    "1", "-0", "1e5", "-1.5E-3", "1e400", "1e-400", "0.1e-330", "1" * 40, "1" * 4300, "true", "null", "\t1\r\n",
    '"\\ud800"', '"\\ud83d\\ude00"', '"\\udc00\\ud800"', '"\\ud800\\u0041"', '"é\U0001f600"', '"\x7f"',
    '"\\/\\b\\f\\n\\r\\t\\"\\\\"', "[ ]", "{ }", "[[[]]]", "[" * 61 + "]" * 61,
]  # fmt: skip
BROKEN_JSON = [
    "01", "1.", ".5", "+1", "-", "1e", "1e+", "NaN", "Infinity", "-Infinity", "nul", "tru", "1 2", "'a'", "//",
    "1" * 4301, '"\\x"', '"\\u12g4"', '"\\u12"', '"\x1f"', '"', "[1,]", "[1", "[,1]", "{1:2}", '{"a" 1}', '{"a":1,}',
    '{"a":1,"a":2}', '{"a":1,"\\u0061":2}', "[" * 62 + "]" * 62, "[" * 5000,
]  # fmt: skip


@pytest.mark.parametrize("text", SOUND_JSON)
def test_json_that_both_readers_take(tmp_path: Path, text: str) -> None:
    assert assert_one_verdict(tmp_path / "model", with_texts(recipe(text)), text[:40])


@pytest.mark.parametrize("text", BROKEN_JSON)
def test_json_that_both_readers_refuse(tmp_path: Path, text: str) -> None:
    assert not assert_one_verdict(tmp_path / "model", with_texts(recipe(text)), text[:40])


def bits_of(*parts: tuple[int, int]) -> bytes:
    """Numbers of some bits each, as deflate writes them, behind the two bytes of zlib."""
    value = place = 0
    for number, count in parts:
        value |= number << place
        place += count
    return b"\x78\x9c" + value.to_bytes((place + 7) // 8 + 8, "little")


OPERATIONS_TEXT = zlib.decompress(SOUND.arrays[OPERATIONS].tobytes())


@pytest.mark.parametrize("level", range(10))
@pytest.mark.parametrize("strategy", [zlib.Z_DEFAULT_STRATEGY, zlib.Z_HUFFMAN_ONLY, zlib.Z_FIXED, zlib.Z_RLE])
def test_everything_that_zlib_writes_is_inflated(tmp_path: Path, level: int, strategy: int) -> None:
    deflate = zlib.compressobj(level, zlib.DEFLATED, 9 + level % 7, 1 + level % 9, strategy)
    stored = deflate.compress(OPERATIONS_TEXT) + deflate.flush()
    assert assert_one_verdict(tmp_path / "model", with_texts(SOUND.metadata[KEY], stored), (level, strategy))


@pytest.mark.parametrize(
    "stored",
    [
        bits_of((1, 1), (3, 2)),  # an unknown kind of block
        bits_of((1, 1), (1, 2), (0b11000110, 8)),  # a length that fixed codes do not have
        bits_of((1, 1), (2, 2), (30, 5), (0, 5), (0, 4)),  # too many symbols
        bits_of((1, 1), (2, 2), (0, 5), (0, 5), (0, 4), (1, 3), (1, 3), (1, 3), (0, 3)),  # too many codes of one bit
        bits_of(
            (1, 1), (2, 2), (0, 5), (0, 5), (0, 4), (1, 3), (0, 3), (0, 3), (0, 3), (0, 60)
        ),  # a repetition of nothing
        bits_of((1, 1), (0, 2), (0, 5), (5, 16), (5, 16)),  # contradictory lengths
        b"",
        b"\x78",
        b"\x78\x9d" + SOUND.arrays[OPERATIONS].tobytes()[2:],
        b"\x78\xbb" + SOUND.arrays[OPERATIONS].tobytes()[2:],  # a preset dictionary
        b"\x88\x1c" + SOUND.arrays[OPERATIONS].tobytes()[2:],  # a window of 64 KiB
        SOUND.arrays[OPERATIONS].tobytes()[:-1],
        SOUND.arrays[OPERATIONS].tobytes() + b"\0",
        zlib.compress(OPERATIONS_TEXT.decode().encode("utf-16")),
        zlib.compress(b"\xef\xbb\xbf" + OPERATIONS_TEXT),
        zlib.compress(b"[" + b" " * (17 << 20) + b"]"),
    ],
)
def test_deflated_text_that_both_readers_refuse(tmp_path: Path, stored: bytes) -> None:
    assert not assert_one_verdict(tmp_path / "model", with_texts(SOUND.metadata[KEY], stored), stored[:20])


@pytest.mark.parametrize("length", [(16 << 20) - 1, 16 << 20, (16 << 20) + 1])
def test_the_longest_text_is_the_same(tmp_path: Path, length: int) -> None:
    text = OPERATIONS_TEXT + b" " * (length - len(OPERATIONS_TEXT))
    accepted = assert_one_verdict(tmp_path / "model", with_texts(SOUND.metadata[KEY], zlib.compress(text, 9)), length)
    assert accepted == (length <= 16 << 20)


LETTERS = ["a", "é", "\x7f", "\u2028", "\ud800", "\ue000", "\U000e0001", "\U0001f600", "\xa0", " "]


@pytest.mark.parametrize("letter", LETTERS)
def test_names_of_any_letters(tmp_path: Path, letter: str) -> None:
    document = json.loads(SOUND.metadata[KEY])
    for name in (letter, letter * 256, letter * 257):
        document["architecture"] = name
        assert_one_verdict(tmp_path / "model", with_texts(json.dumps(document)), name[:3])


@pytest.mark.parametrize("name", ["\ud800", "two\nlines", "é" * 30])
def test_refusals_are_one_line_of_text_whatever_the_file_holds(name: str) -> None:
    ops = json.loads(OPERATIONS_TEXT)
    ops[1]["name"] = name
    ops[1]["attrs"][name] = 1
    with pytest.raises(CORE.CoreError) as refusal:
        CORE.read_file(with_texts(SOUND.metadata[KEY], zlib.compress(json.dumps(ops).encode())))
    assert str(refusal.value).isprintable()
