"""The WebAssembly engine computes what the portable one does, and refuses what the other readers refuse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from intaglio.errors import PackedError
from intaglio.images.enlarging import enlarge
from intaglio.images.picture import Picture
from intaglio.images.tiles import apply_tiled
from intaglio.packed.examples import random_program
from intaglio.packed.examples.damage import damaged_file
from intaglio.packed.examples.limits import limit_program
from intaglio.packed.format import load, save
from intaglio.packed.ops import OPS
from intaglio.packed.program import Program
from intaglio.packed.shapes import infer_shapes
from intaglio.packed.validate import validate
from intaglio.runtime.native import NativeProgram
from intaglio.spec import Coverage

SEEDS = 120
WIDTHS = [(2, Coverage.FULL), (4, Coverage.PAPER), (7, Coverage.FULL), (8, Coverage.FULL)]
Ask = Callable[..., dict[str, Any]]


class Portable:
    """A program on the portable kernels, in tiles where asked."""

    def __init__(self, program: Program, tile: int | None = None) -> None:
        self.scale, self._tile = program.scale, tile
        self._native = NativeProgram(program, threads=1, isa="portable")

    def __call__(self, image: np.ndarray) -> np.ndarray:
        if self._tile is None:
            return self._native.run(image)
        return apply_tiled(self._native.run, image, self._tile, min(64, self._tile - 1), self.scale)

    def planes(self, planes: np.ndarray) -> np.ndarray:
        return self._native.planes(planes)


def picture_of(height: int, width: int, opaque: bool = True) -> np.ndarray:
    picture = np.random.default_rng(height).integers(0, 256, (height, width, 4), np.uint8)
    if opaque:
        picture[..., 3] = 255
    return picture


def upscaled(ask: Ask, tmp_path: Path, program: Program, picture: np.ndarray, **options: Any) -> np.ndarray:
    save(program, tmp_path / "model")
    (tmp_path / "picture").write_bytes(picture.tobytes())
    height, width = picture.shape[:2]
    paths = {name: tmp_path / name for name in ("model", "picture", "result")}
    answer = ask(**paths, height=height, width=width, **options)
    assert "error" not in answer, answer
    assert answer["last"] == 1
    shape = (height * program.scale, width * program.scale, 4)
    return np.frombuffer((tmp_path / "result").read_bytes(), np.uint8).reshape(shape)


@pytest.mark.parametrize("kind", ["swin", "cnn"])
@pytest.mark.parametrize(("bits", "coverage"), WIDTHS)
def test_bytes_are_those_of_the_portable_kernels(
    ask: Ask, tmp_path: Path, kind: Any, bits: int, coverage: Coverage
) -> None:
    program = random_program(np.random.default_rng(bits), kind=kind, bits=bits, coverage=coverage)
    picture = picture_of(21, 35)
    found = upscaled(ask, tmp_path, program, picture)
    assert np.array_equal(found[..., :3], Portable(program)(picture[..., :3].copy()))
    assert (found[..., 3] == 255).all()


@pytest.mark.parametrize("kind", OPS)
def test_every_operation_computes_what_it_does_natively(ask: Ask, tmp_path: Path, kind: str) -> None:
    program = next(program for seed in range(100) if (program := sound(kind, seed)))
    picture = picture_of(8, 12)
    found = upscaled(ask, tmp_path, program, picture)[..., :3].astype(int)
    # Exponentials are those of another C library: a byte may be rounded to its neighbour.
    assert np.max(np.abs(found - Portable(program)(picture[..., :3].copy()))) <= 1


def sound(kind: str, seed: int) -> Program | None:
    """A sound program about one operation that takes a picture of 8 by 12, or None."""
    program = limit_program(np.random.default_rng(seed), kind)
    try:
        validate(program)
        infer_shapes(program, 8, 12)
    except PackedError:
        return None
    return program


def test_tiles_are_cut_as_python_cuts_them(ask: Ask, tmp_path: Path) -> None:
    program = random_program(np.random.default_rng(0), kind="swin")
    picture = picture_of(50, 75)
    found = upscaled(ask, tmp_path, program, picture, tile=32)
    assert np.array_equal(found[..., :3], Portable(program, tile=32)(picture[..., :3].copy()))


def test_alpha_goes_through_the_network_as_in_python(ask: Ask, tmp_path: Path) -> None:
    program = random_program(np.random.default_rng(1), kind="swin")
    samples = picture_of(18, 26, opaque=False)
    samples[3:9, 4:11, 3] = 0
    expected = enlarge(Picture(samples), Portable(program)).samples
    found = upscaled(ask, tmp_path, program, samples)
    assert np.max(np.abs(found.astype(int) - expected)) <= 1  # a rounding of a quotient
    assert np.mean(found != expected) < 0.001


def test_the_reader_gives_the_verdict_of_the_others(ask: Ask, tmp_path: Path) -> None:
    path = tmp_path / "model"
    for seed in range(SEEDS):
        path.write_bytes(damaged_file(seed))
        try:
            program = load(path).program
        except PackedError:
            program = None
        answer = ask(model=path)
        assert ("error" in answer) == (program is None), (seed, answer)
        assert answer.get("kind", "IntaglioError") == "IntaglioError", answer
        assert "engine stopped" not in answer.get("error", ""), answer
        if program:
            assert answer["scale"] == program.scale


def test_a_run_stops_when_asked_and_wrong_pictures_are_refused(ask: Ask, tmp_path: Path) -> None:
    program = random_program(np.random.default_rng(0), kind="swin")
    save(program, tmp_path / "model")
    (tmp_path / "picture").write_bytes(picture_of(40, 40).tobytes())
    paths = {name: tmp_path / name for name in ("model", "picture", "result")}
    assert ask(**paths, height=40, width=40, abort=0.1)["kind"] == "AbortError"
    assert "four bytes a pixel" in ask(**paths, height=40, width=41)["error"]
    assert not (tmp_path / "result").exists()
