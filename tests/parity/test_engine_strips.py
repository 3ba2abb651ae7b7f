"""A picture that goes through the network in strips of rows is the same picture, to the bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intaglio.packed.examples import random_program
from intaglio.packed.examples.maker import Maker
from intaglio.packed.program import Program
from intaglio.runtime import native
from intaglio.runtime.reference import Reference
from intaglio.spec import Coverage

RUNNABLE = [one.name for one in native.machine().sets if one.runnable]


def planes(seed: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(seed).random((3, height, width), dtype=np.float32)


def gated(coverage: Coverage, dim: int, seed: int) -> Program:
    """As in RLFN: a sum behind an activation, maps that convolutions and others read, a gate from afar, a product."""
    maker = Maker(np.random.default_rng(seed), 4, 4, coverage)
    x = shallow = maker.conv("head", maker.input(multiple=1), 3, dim)
    for name in ("a", "b"):
        y = maker.conv(f"{name}.2", maker.conv(f"{name}.1", x, dim, dim, act="leaky_relu"), dim, dim, act="prelu")
        x = maker.conv(f"{name}.3", maker.emit("add", f"{name}.sum", (x, y)), dim, dim, kernel=1)
        narrow = maker.conv(f"{name}.4", x, dim, 5, kernel=1)
        pool = {"function": "max", "kernel": (5, 5), "stride": (3, 3), "padding": (0, 0)}
        coarse = maker.conv(f"{name}.5", narrow, 5, 5, stride=(2, 2), padding=(0,) * 4)
        coarse = maker.conv(f"{name}.6", maker.emit("pool2d", f"{name}.pool", (coarse,), pool), 5, 5)
        wide = maker.emit(
            "resize", f"{name}.wide", (coarse, x), {"mode": "bilinear", "to": "like", "factor": (1.0, 1.0)}
        )
        sum_ = maker.emit("add", f"{name}.both", (wide, maker.conv(f"{name}.7", narrow, 5, 5, kernel=1)))
        gate = maker.conv(f"{name}.8", sum_, 5, dim, kernel=1, act="sigmoid")
        x = maker.emit("mul", f"{name}.gated", (x, gate))
    x = maker.conv("tail", maker.emit("add", "sum", (maker.conv("body", x, dim, dim), shallow)), dim, 12)
    maker.output(maker.emit("pixel_shuffle", "up", (x,), {"factor": 2}))
    return Program(scale=2, architecture="gated", coverage=coverage, ops=tuple(maker.ops))


def engines(program: Program, isa: str, threads: int, strip_bytes: int) -> tuple[native.NativeProgram, ...]:
    """In strips, and with maps as wholes."""
    whole = 1 << 40
    return tuple(
        native.NativeProgram(program, threads=threads, isa=isa, strip_bytes=size) for size in (strip_bytes, whole)
    )


@pytest.mark.parametrize("isa", RUNNABLE)
@pytest.mark.parametrize("coverage", list(Coverage))
@pytest.mark.parametrize("height", [16, 37])
def test_strips_change_nothing(isa: str, coverage: Coverage, height: int) -> None:
    program = random_program(np.random.default_rng(3), kind="cnn", coverage=coverage)
    image = planes(1, height, 21)
    strips, whole = engines(program, isa, threads=2, strip_bytes=1)
    np.testing.assert_array_equal(strips.planes(image), whole.planes(image))


@pytest.mark.parametrize("isa", RUNNABLE)
@pytest.mark.parametrize("coverage", list(Coverage))
def test_nor_does_what_convolutions_do_beside(isa: str, coverage: Coverage) -> None:
    """Sums and products in convolutions, and codes beside floats: operation by operation the numbers are the same."""
    program, image = gated(coverage, 22, seed=5), planes(2, 53, 35)
    strips, whole = engines(program, isa, threads=2, strip_bytes=1)
    apart = native.NativeProgram(program, threads=2, isa=isa, fuse=False)
    wanted = apart.planes(image)
    np.testing.assert_array_equal(whole.planes(image), wanted)
    np.testing.assert_array_equal(strips.planes(image), wanted)
    told = {name for line in strips.plan().lines for name in line.parts}
    assert {"a.sum", "b.gated", "a.both"} <= told
    close = np.abs(wanted - Reference(program).planes(image)) <= 1e-3  # but where codes lie within rounding of a step
    assert close.mean() > 0.9


@given(
    kind=st.sampled_from(["swin", "cnn", "mixed", "gated"]),
    height=st.integers(8, 60),
    width=st.integers(8, 40),
    threads=st.integers(1, 3),
    strip=st.integers(0, 14),
    seed=st.integers(0, 99),
)
@settings(max_examples=25)
def test_strips_of_any_height(kind: str, height: int, width: int, threads: int, strip: int, seed: int) -> None:
    height, width = (max(side, 20) for side in (height, width)) if kind == "gated" else (height, width)
    if kind == "gated":
        program = gated(Coverage.FULL, 9, seed)
    else:
        program = random_program(np.random.default_rng(seed), kind=kind)  # type: ignore[arg-type]
    image = planes(seed, height, width)
    strips, whole = engines(program, native.machine().chosen, threads, strip_bytes=1 << strip)
    np.testing.assert_array_equal(strips.planes(image), whole.planes(image))


def test_strips_need_less_memory() -> None:
    """Only a few rows of most maps exist at once; that is what they are taken for where nobody asks for them."""
    maker = Maker(np.random.default_rng(0), 4, 4, Coverage.FULL)
    x = maker.conv("head", maker.input(multiple=1), 3, 32, act="relu")
    for index in range(4):
        x = maker.conv(f"body.{index}", x, 32, 32, act="prelu")
    maker.output(maker.conv("tail", x, 32, 3))
    program = Program(scale=1, architecture="chain", coverage=Coverage.FULL, ops=tuple(maker.ops))
    strips, whole = engines(program, native.machine().chosen, threads=1, strip_bytes=1)
    assert strips.memory(9000, 64) < whole.memory(9000, 64) / 8
    usual = native.NativeProgram(program, threads=1)
    assert usual.memory(40, 64) == whole.memory(40, 64)
    assert usual.memory(9000, 64) < whole.memory(9000, 64) / 2


def test_a_run_in_strips_tells_all_operations_and_their_times() -> None:
    program = random_program(np.random.default_rng(0), kind="cnn")
    strips, whole = engines(program, native.machine().chosen, threads=1, strip_bytes=1)
    image = np.random.default_rng(0).integers(0, 256, (40, 24, 3), dtype=np.uint8)
    result, times = strips.profile(image)
    np.testing.assert_array_equal(result, whole.profile(image)[0])
    assert [time.name for time in times] == [line.name for line in strips.plan().lines]
    assert sum(time.seconds for time in times) > 0
