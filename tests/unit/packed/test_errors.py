"""Each way in which a packed model can be wrong raises its own error, with a remedy; the walk covers every class."""

from __future__ import annotations

import copy
import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from intaglio.errors import PackedError
from intaglio.packed import errors
from intaglio.packed.bits import pack
from intaglio.packed.container import Container, read, to_bytes
from intaglio.packed.examples import random_program
from intaglio.packed.format import GRIDS, KEY, OPERATIONS, compress, encode, load, operations
from intaglio.packed.header import Header
from intaglio.spec import Coverage

PROGRAM = random_program(np.random.default_rng(0), kind="cnn", bits=3, dim=3, blocks=1, coverage=Coverage.FULL)
SOUND = encode(PROGRAM, Header())
DOCUMENT = {**json.loads(SOUND.metadata[KEY]), "ops": operations(SOUND)}
NAMES = [one.name for one in PROGRAM.ops]

Edit = Callable[[dict[str, Any], dict[str, np.ndarray]], object]


def edited(edit: Edit) -> bytes:
    """The file after `edit` has changed its JSON document or its arrays."""
    document, arrays = copy.deepcopy(DOCUMENT), without_operations(SOUND)
    edit(document, arrays)
    ops = json.dumps(document.pop("ops"))
    return to_bytes(Container({KEY: json.dumps(document)}, {OPERATIONS: compress(ops), **arrays}))


def without_operations(container: Container) -> dict[str, np.ndarray]:
    return {name: array for name, array in container.arrays.items() if name != OPERATIONS}


def attrs(index: int, **values: Any) -> Edit:
    return lambda document, arrays: document["ops"][index]["attrs"].update(values)


def op(index: int, **values: Any) -> Edit:
    return lambda document, arrays: document["ops"][index].update(values)


def top(**values: Any) -> Edit:
    return lambda document, arrays: document.update(values)


def array(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Edit:
    return lambda document, arrays: arrays.update({name: change(arrays[name].copy())})


def site(index: int, place: int, value: object) -> Edit:
    return lambda document, arrays: document["ops"][index]["sites"][0].__setitem__(place, value)


def pieces(given: list[list[int]], of: int = 0) -> Edit:
    return lambda document, arrays: document["ops"][1]["sites"][of].append(given)


def without_weights(document: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    del document["ops"][1]["tensors"]["weight.codes"]
    arrays[CODES] = arrays[CODES][HEAD:]


def filled(value: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda tensor: np.full_like(tensor, value)


def raise_last(tensor: np.ndarray) -> np.ndarray:
    tensor[HEAD - 1] |= 0x80
    return tensor


CODES = "codes"  # of the head 3 * 3 * 25, of 3 bits: 675 bits, so that their last byte has free ones
HEAD = -(-675 // 8)
WHOLE = to_bytes(SOUND)

BOMB = compress("[" + " " * (17 << 20) + "]")

CASES: list[tuple[type[PackedError], bytes | Edit]] = [
    (errors.NotSafetensorsError, b""),
    (errors.NotSafetensorsError, b"\x89PNG\r\n\x1a\n" + bytes(99)),
    (errors.NotSafetensorsError, (2).to_bytes(8, "little") + b"[]"),
    (errors.NotSafetensorsError, (6).to_bytes(8, "little") + b'{"a":1'),
    (errors.TruncatedError, WHOLE[:100]),
    (errors.TruncatedError, WHOLE[:-1]),
    (errors.TruncatedError, WHOLE + b"\0"),
    (errors.NotIntaglioError, to_bytes(Container({}, SOUND.arrays))),
    (errors.FormatVersionError, top(version=1)),
    (errors.FormatVersionError, top(version=3)),
    (errors.FormatVersionError, top(version=2.0)),
    (errors.HeaderError, to_bytes(Container({KEY: "{"}, SOUND.arrays))),
    (errors.HeaderError, lambda document, arrays: arrays.update({OPERATIONS: np.zeros(9, np.uint8)})),
    (errors.HeaderError, lambda document, arrays: arrays.update({OPERATIONS: BOMB})),
    (errors.HeaderError, lambda document, arrays: arrays.update({OPERATIONS: BOMB[:-9]})),
    (errors.HeaderError, lambda document, arrays: arrays.update({OPERATIONS: compress("[NaN]")})),
    (errors.HeaderError, top(scale="2")),
    (errors.HeaderError, top(extra=1)),
    (errors.HeaderError, top(header={})),
    (errors.HeaderError, top(coverage="most")),
    (errors.HeaderError, top(ops={})),
    (errors.HeaderError, top(architecture="line\nbreak")),
    (errors.HeaderError, site(1, 0, 999)),
    (errors.HeaderError, op(1, tensors={"weight.codes": ["U8", "3"]})),
    (errors.HeaderError, op(1, tensors={"weight.codes": [8, 3]})),
    (errors.UnknownOpError, op(1, kind="deconvolution")),
    (errors.MissingTensorError, lambda document, arrays: arrays.pop("halves")),
    (errors.MissingTensorError, lambda document, arrays: arrays.pop(GRIDS)),
    (errors.MissingTensorError, to_bytes(Container(SOUND.metadata, without_operations(SOUND)))),
    (errors.MissingTensorError, without_weights),
    (errors.ExtraTensorError, lambda document, arrays: arrays.update({"stowaway": np.zeros(1, np.uint8)})),
    (errors.ExtraTensorError, array(GRIDS, lambda rows: np.concatenate([rows, rows[:1]]))),
    (errors.MissingTensorError, array(CODES, lambda codes: codes[:-1])),
    (errors.ExtraTensorError, array("halves", lambda halves: np.append(halves, halves[:1]))),
    (errors.ExtraTensorError, lambda document, arrays: arrays.update({"singles": np.zeros(0, np.float32)})),
    (errors.TensorShapeError, array("halves", lambda halves: halves[None])),
    (errors.TensorShapeError, op(1, tensors={"weight.codes": ["U8", 3, 75], "bias": ["F16", 3]})),
    (errors.TensorShapeError, array(GRIDS, np.ravel)),
    (errors.TensorTypeError, array("halves", lambda halves: halves.astype(np.float32))),
    (errors.TensorTypeError, array(CODES, lambda codes: codes.astype(np.float16))),
    (errors.TensorTypeError, op(1, tensors={"weight.codes": ["F16", 3, 3, 5, 5]})),
    (errors.TensorTypeError, lambda document, arrays: arrays.update({OPERATIONS: np.zeros(9, np.float32)})),
    (errors.BitWidthError, site(1, 1, 9)),
    (errors.BitWidthError, site(1, 1, 1)),
    (errors.PaddingBitsError, array(CODES, raise_last)),
    (errors.NonFiniteError, array("halves", filled(np.nan))),
    (errors.NonFiniteError, array(GRIDS, filled(np.inf))),
    (errors.GridError, array(GRIDS, filled(0.0))),
    (errors.GridError, array(GRIDS, filled(1e-44))),
    (errors.GridError, site(1, 3, 2)),
    (errors.GridError, site(1, 2, 5000)),
    (errors.HeaderError, pieces([])),
    (errors.HeaderError, pieces([[1, 1]] * 5)),
    (errors.HeaderError, pieces([[1, 1, 1]])),
    (errors.HeaderError, pieces([[1, -1]])),
    (errors.GridError, pieces([[1, 0]])),
    (errors.GridError, pieces([[2, 2], [4, 1]])),
    (errors.GridError, pieces([[2, 3]], of=1)),
    (errors.SiteError, lambda document, arrays: document["ops"][1]["sites"].pop()),
    (errors.SiteError, site(3, 0, f"{NAMES[1]}:input")),
    (errors.DataFlowError, op(1, **{"in": ["tail"]})),
    (errors.DataFlowError, op(1, **{"in": ["head"]})),
    (errors.DataFlowError, op(1, **{"in": []})),
    (errors.DataFlowError, op(2, out="head")),
    (errors.AttributeRangeError, attrs(1, groups=10**9)),
    (errors.AttributeRangeError, attrs(1, groups=True)),
    (errors.AttributeRangeError, attrs(1, stride=[1])),
    (errors.AttributeRangeError, attrs(1, stride=1)),
    (errors.AttributeRangeError, attrs(1, groups=2)),
    (errors.AttributeRangeError, attrs(2, function="arctan")),
    (errors.AttributeRangeError, attrs(2, slope=float(10**7))),
    (errors.AttributeRangeError, attrs(1, kernel=1)),
    (errors.AttributeRangeError, attrs(0, mean=[0.0])),
    (errors.AttributeRangeError, top(scale=17)),
    (errors.EndpointError, lambda document, arrays: document["ops"].pop()),
    (errors.ShapeError, op(NAMES.index("fuse"), **{"in": ["spatial.mul"]})),
    (errors.ScaleError, top(scale=3)),
]  # fmt: skip


@pytest.mark.parametrize(("error", "case"), CASES, ids=lambda value: getattr(value, "__name__", None))
def test_a_wrong_file_raises_its_own_error(tmp_path: Path, error: type[PackedError], case: bytes | Edit) -> None:
    path = tmp_path / "model"
    path.write_bytes(case if isinstance(case, bytes) else edited(case))
    with pytest.raises(error) as caught:
        load(path)
    assert caught.type is error


def test_version_1_is_refused_with_the_command_that_makes_a_new_file(tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(edited(top(version=1)))
    with pytest.raises(errors.FormatVersionError, match=r"format version 1 .*`intaglio quantize`"):
        load(tmp_path / "model")


def test_missing_files_and_folders_are_unreadable(tmp_path: Path) -> None:
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(errors.UnreadableError, match="correct the path"):
            load(path)


def test_codes_beyond_their_width_are_refused() -> None:
    with pytest.raises(errors.CodeRangeError):
        pack(np.array([8], dtype=np.uint8), bits=3)


def test_every_error_has_a_case_a_remedy_and_a_line_in_the_docs() -> None:
    classes = {c for _, c in inspect.getmembers(errors, inspect.isclass) if c.__module__ == errors.__name__}
    assert {error for error, _ in CASES} | {errors.UnreadableError, errors.CodeRangeError} == classes
    page = (Path(__file__).parents[3] / "docs" / "format.md").read_text()
    for error in classes:
        assert "Remedy:" in (error.__doc__ or "")
        assert f"`{error.__name__}`" in page


def test_the_sound_file_is_sound(tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(edited(lambda document, arrays: None))
    assert load(tmp_path / "model").program.scale == PROGRAM.scale
    assert read(tmp_path / "model").metadata.keys() == {KEY}
