"""Whole programs through the native engine against the reference: any size, any number of threads, bounded memory."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from intaglio.errors import EngineError
from intaglio.packed.examples import random_program
from intaglio.packed.program import Program
from intaglio.runtime import native
from intaglio.runtime.engine import Engine
from intaglio.runtime.receptive_field import receptive_field
from intaglio.runtime.reference import Reference

RUNNABLE = [one.name for one in native.machine().sets if one.runnable]


def transformer(seed: int, **settings: int) -> Program:
    """A random transformer at scale 1."""
    return random_program(np.random.default_rng(seed), scale=1, **settings)  # type: ignore[arg-type]


def picture(seed: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    error = np.mean((a.astype(np.float64) - b) ** 2)
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))


@pytest.mark.parametrize("isa", RUNNABLE)
@pytest.mark.parametrize(
    ("bits", "window", "size"), [(4, 8, (16, 24)), (2, 4, (1, 1)), (3, 7, (9, 20)), (8, 8, (8, 31))]
)
def test_pictures_agree(
    isa: str, bits: int, window: int, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Less than two grey levels between them, root mean square: codes in the middle between two levels may flip, and a
    step of 3 bits is 146 grey levels. That flips are all there is, the tests of single operations and stages say."""
    monkeypatch.setenv(native.ISA_VARIABLE, isa)
    program = transformer(bits, bits=bits, window=window)
    image = picture(bits, *size)
    assert psnr(Engine(program, threads=1)(image), Reference(program)(image)) >= 20 * np.log10(255 / 2)


def test_threads_do_not_change_the_picture() -> None:
    program, image = transformer(5), picture(5, 37, 29)
    one, three = (Engine(program, threads=count)(image) for count in (1, 3))
    np.testing.assert_array_equal(one, three)


def test_runs_of_different_sizes_do_not_leave_traces() -> None:
    program = transformer(6)
    engine, first = Engine(program, threads=2), picture(6, 20, 12)
    before = engine(first)
    engine(picture(7, 33, 40))
    np.testing.assert_array_equal(engine(first), before)


def test_memory_is_bounded_or_refused() -> None:
    program, image = transformer(8, dim=8, heads=2, window=8, blocks=2), picture(8, 40, 300)
    free = Engine(program, threads=1)
    assert free.native is not None
    whole = free.native.memory(40, 300)
    tiled = Engine(program, threads=1, memory=whole * 3 // 4)
    assert tiled(image).shape == image.shape
    with pytest.raises(EngineError, match="give at least"):
        Engine(program, threads=1, memory=4096)(image)


def test_memory_grows_with_the_picture_only() -> None:
    """Twice the blocks, the same arena: buffers are reused as soon as they are dead."""
    few, many = (Engine(transformer(9, blocks=count), threads=1).native for count in (2, 6))
    assert few is not None
    assert many is not None
    assert few.memory(64, 64) == many.memory(64, 64)


def test_the_receptive_field_has_no_bound_with_attention() -> None:
    assert receptive_field(transformer(1)) is None


@pytest.mark.parametrize("kind", ["window_block", "attention", "fused_conv", "channel_norm", "scaled_add", "picture"])
def test_what_fusion_alone_makes_is_refused(kind: str) -> None:
    program = transformer(2)
    ops = tuple(replace(op, kind=kind) if op.name == "conv_first" else op for op in program.ops)
    with pytest.raises(EngineError, match="does not know"):
        native.NativeProgram(replace(program, ops=ops), threads=1)


def test_a_program_goes_from_input_to_output() -> None:
    program = transformer(2)
    for ops in (program.ops[1:], program.ops[:-1], (*program.ops, program.ops[-1]), ()):
        with pytest.raises(EngineError):
            native.NativeProgram(replace(program, ops=ops), threads=1)


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4, 3), np.float32), np.zeros((4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)]
)
def test_what_is_no_picture_is_refused(image: np.ndarray) -> None:
    engine = Engine(transformer(3), threads=1)
    with pytest.raises(Exception, match=r"expected uint8|[Tt]ype-check"):
        engine(image)
