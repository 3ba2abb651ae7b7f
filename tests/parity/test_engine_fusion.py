"""Fusion changes the time that a program takes and nothing else: what is fused, what is not and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from intaglio.packed.examples import random_program
from intaglio.packed.program import Attr, Op, Program
from intaglio.runtime import native
from intaglio.runtime.engine import Engine
from intaglio.runtime.reference import Reference
from intaglio.spec import Coverage

RUNNABLE = [one.name for one in native.machine().sets if one.runnable]
LEAST_PSNR = 48.13
"""In dB, 20 log10(255): less than one grey level, root mean square. Codes that lie within rounding of the middle
between two levels may flip, and a step of an 8-bit grid is four grey levels here."""
LEAST_LIKENESS = 33.0
"""In dB, for grids of 4 bits, whose steps are 68 grey levels: blocks computed in a wrong way lie below 24 dB."""


def swin(seed: int = 0, **settings: int) -> Program:
    return random_program(np.random.default_rng(seed), scale=1, **settings)  # type: ignore[arg-type]


def planes(seed: int, height: int = 19, width: int = 23) -> np.ndarray:
    return np.random.default_rng(seed).random((3, height, width), dtype=np.float32)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    error = np.mean((a.astype(np.float64) - b) ** 2)
    return float("inf") if error == 0 else float(-10 * np.log10(error))


def plan(program: Program) -> native.Plan:
    return native.NativeProgram(program, threads=1).plan()


def kinds(program: Program) -> list[str]:
    return [line.kind for line in plan(program).lines]


def test_a_transformer_becomes_what_it_was() -> None:
    """Blocks on planar maps, and nothing between them: permutes and reshapes are gone, and the mask with them."""
    assert kinds(swin(blocks=3)) == [
        "input", "conv2d", "window_block", "window_block", "window_block", "channel_norm", "fused_conv", "conv2d",
        "pixel_shuffle", "output",
    ]  # fmt: skip


def test_every_operation_stands_in_the_plan_once_at_most() -> None:
    program = swin(blocks=2)
    lines = [line for line in plan(program).lines if line.kind != "planes_of"]  # another name for what is there
    told = Counter(name for line in lines for name in line.parts or (line.name,))
    assert set(told) <= {op.name for op in program.ops}
    for op in program.ops:
        if op.kind in ("linear", "matmul", "conv2d", "softmax"):
            assert told[op.name] == 1 or op.kind == "softmax", op.name


@pytest.mark.parametrize("isa", RUNNABLE)
@pytest.mark.parametrize("coverage", list(Coverage))
def test_fused_convolutions_are_the_same_to_the_bit(coverage: Coverage, isa: str) -> None:
    program = random_program(np.random.default_rng(3), kind="cnn", coverage=coverage)
    fused, apart = (native.NativeProgram(program, threads=2, isa=isa, fuse=fuse) for fuse in (True, False))
    assert len(fused.plan().lines) < len(apart.plan().lines) == len(program.ops)
    np.testing.assert_array_equal(fused.planes(planes(1)), apart.planes(planes(1)))


@pytest.mark.parametrize("isa", RUNNABLE)
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_fused_blocks_show_the_same_picture(bits: int, isa: str) -> None:
    """Codes differ only where a value lies within rounding of the middle between two levels."""
    program, image = swin(bits, bits=bits), planes(bits)
    fused, apart = (native.NativeProgram(program, threads=2, isa=isa, fuse=fuse) for fuse in (True, False))
    assert not apart.plan().remarks
    reference = Reference(program).planes(image)
    assert psnr(fused.planes(image), apart.planes(image)) >= LEAST_PSNR
    assert psnr(apart.planes(image), reference) >= LEAST_PSNR


@pytest.mark.parametrize("kind", ["swin", "cnn", "mixed"])
def test_an_engine_without_fusion(kind: str) -> None:
    program = random_program(np.random.default_rng(1), kind=kind)  # type: ignore[arg-type]
    image = np.random.default_rng(1).integers(0, 256, (9, 14, 3), dtype=np.uint8)
    fused, apart = (Engine(program, threads=1, fuse=fuse)(image) for fuse in (True, False))
    assert psnr(fused / np.float32(255), apart / np.float32(255)) >= LEAST_PSNR


def changed(program: Program, name: str, **attrs: Attr) -> Program:
    ops = tuple(replace(op, attrs={**op.attrs, **attrs}) if op.name.endswith(name) else op for op in program.ops)
    return replace(program, ops=ops)


def without(program: Program, name: str) -> Program:
    """The operation of that name left out: its readers read its first input."""
    gone = next(op for op in program.ops if op.name.endswith(name))
    kept = (op for op in program.ops if op is not gone)
    ops = (replace(op, inputs=tuple(gone.inputs[0] if x == gone.output else x for x in op.inputs)) for op in kept)
    return replace(program, ops=tuple(ops))


SHIFTED = "layers.0.blocks.1."
VARIANTS: dict[str, tuple[Program, int]] = {
    "no position bias": (without(swin(), "blocks.0.biased"), 2),
    "no scale": (without(swin(), "blocks.0.scale"), 2),
    "another mask": (changed(swin(), "mask.regions", value=-50.0), 1),
    "another eps": (changed(swin(), "blocks.0.norm2", eps=1e-3), 1),
    "no mask": (without(swin(), "masked"), 1),
    "a mask of another shift": (changed(swin(), "mask.regions", shift=(1, 1)), 1),
    "not rolled back": (changed(swin(), SHIFTED + "unroll", shifts=(1, 2)), 1),
    "another function": (changed(swin(), "blocks.0.gelu", function="silu"), 1),
    "softmax over queries": (changed(swin(), "blocks.0.softmax", axis=2), 1),
    "windows across": (changed(swin(), "blocks.0.cut1", axes=(0, 3, 1, 2, 4, 5)), 1),
    "large windows": (swin(window=18, dim=4, heads=1), 0),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_what_is_like_a_block_and_none_is_left_as_it_is(name: str) -> None:
    program, blocks = VARIANTS[name]
    found = plan(program)
    assert [line.kind for line in found.lines].count("window_block") == blocks
    said = [remark for remark in found.remarks if remark.pattern == "window_block"]
    assert len(said) == 2 - blocks or name == "another function"
    image = planes(2, 36, 36)
    assert (
        psnr(native.NativeProgram(program, threads=1).planes(image), Reference(program).planes(image)) >= LEAST_LIKENESS
    )


def test_a_sum_that_stretches_is_no_part_of_a_convolution() -> None:
    """A vector added to each pixel has another shape than the map."""
    program = random_program(np.random.default_rng(0), kind="cnn", blocks=1)
    head = next(op for op in program.ops if op.name == "body.0.conv2")
    channels = len(head.tensors["bias"])
    vector = Op("constant", "vector", (), "vector", {}, {"value": np.ones((channels, 1, 1), np.float32)})
    ops = tuple(replace(op, inputs=(op.inputs[0], "vector")) if op.name == "body.0.add" else op for op in program.ops)
    program = replace(program, ops=(ops[0], vector, *ops[1:]))
    fused, apart = (native.NativeProgram(program, threads=1, fuse=fuse) for fuse in (True, False))
    np.testing.assert_array_equal(fused.planes(planes(3)), apart.planes(planes(3)))
    assert any(remark.pattern == "convolution with sum" for remark in fused.plan().remarks)


def test_planes_are_not_rounded_and_not_clipped() -> None:
    """The path of bytes is that of planes, rounded to levels."""
    program = swin(4)
    image = np.random.default_rng(4).integers(0, 256, (13, 9, 3), dtype=np.uint8)
    engine = Engine(program, threads=1)
    wide = engine.planes(image.transpose(2, 0, 1).astype(np.float32) / np.float32(255))
    assert wide.dtype == np.float32
    assert wide.max() > 1.0 or wide.min() < 0.0
    levels = np.rint(np.clip(wide, 0, 1) * np.float32(255)).astype(np.uint8)
    np.testing.assert_array_equal(engine(image), levels.transpose(1, 2, 0))


def test_planes_in_tiles() -> None:
    program = swin(8, dim=8, heads=2, window=8, blocks=2)
    image = planes(8, 40, 300)
    free = Engine(program, threads=1)
    assert free.native is not None
    tiled = Engine(program, threads=1, memory=free.native.memory(40, 300) * 3 // 4)
    assert tiled.planes(image).shape == free.planes(image).shape
