"""Receptive fields: what lies further away than a program's field says changes nothing; what mixes places has none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intaglio.packed.examples import random_program
from intaglio.packed.examples.maker import Maker
from intaglio.packed.program import Program
from intaglio.packed.size import AREA, H, W
from intaglio.runtime.receptive_field import receptive_field
from intaglio.runtime.reference import Reference
from intaglio.spec import Coverage

DIM = 4
SIDE = 24


def local_program(seed: int) -> Program:
    """Some operations that look at places nearby, in a random order, then twice the picture's sides."""
    rng = np.random.default_rng(seed)
    maker = Maker(rng, 4, 4, Coverage.FULL if seed % 2 else Coverage.PAPER)
    x = maker.conv("head", maker.input(multiple=1), 3, DIM)
    for index in range(int(rng.integers(1, 4))):
        x = _local(maker, f"{index}", x, int(rng.integers(5)))
    x = maker.conv("tail", x, DIM, 12)
    maker.output(maker.emit("pixel_shuffle", "up", (x,), {"factor": 2}))
    return Program(2, "local", Coverage.FULL, tuple(maker.ops))


def _local(maker: Maker, name: str, x: str, which: int) -> str:
    if which == 0:
        attrs = {"dilation": (2, 1), "padding": (1, 2, 3, 0)}  # looks further down and left than up and right
        return maker.conv(f"{name}.conv", x, DIM, DIM, kernel=3, groups=2, **attrs)
    if which == 1:
        pool = {"function": "max", "kernel": (3, 5), "stride": (1, 1), "padding": (1, 2)}
        return maker.emit("pool2d", f"{name}.pool", (x,), pool)
    if which == 2:
        tokens = maker.norm(f"{name}.norm", maker.permute(f"{name}.tokens", x, 0, 2, 3, 1), DIM)
        tokens = maker.linear(f"{name}.linear", tokens, DIM, DIM)
        return maker.permute(f"{name}.map", tokens, 0, 3, 1, 2)
    if which == 3:
        mean = maker.reduce(f"{name}.mean", x, "mean", 1)
        return maker.emit("sub", f"{name}.centred", (x, mean))
    return maker.emit("add", f"{name}.add", (x, maker.conv(f"{name}.residual", x, DIM, DIM, act="gelu")))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, SIDE - 1), st.integers(0, SIDE - 1))
def test_an_output_pixel_depends_on_its_field_alone(seed: int, row: int, column: int) -> None:
    program = local_program(seed)
    far = receptive_field(program)
    assert far is not None
    rng = np.random.default_rng(seed)
    one, other = rng.random((2, 3, SIDE, SIDE), dtype=np.float32)
    rows, columns = (slice(max(0, place - far), place + far + 1) for place in (row, column))
    other[:, rows, columns] = one[:, rows, columns]
    upscaler = Reference(program)
    theirs, ours = (upscaler.planes(planes) for planes in (one, other))
    place = np.s_[:, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
    # equal numbers in, but a matrix product of another library may sum them in an order of its own at each place
    assert np.max(np.abs(theirs[place] - ours[place])) <= 2.0**-12


def test_a_field_is_not_larger_than_it_must_be() -> None:
    maker = Maker(np.random.default_rng(0), 4, 4)
    x = maker.conv("conv", maker.input(multiple=1), 3, 3, kernel=5)
    maker.output(maker.conv("again", x, 3, 3, dilation=(3, 3), padding=(3, 3, 3, 3)))
    assert receptive_field(Program(1, "two", Coverage.PAPER, tuple(maker.ops))) == 2 + 3


@pytest.mark.parametrize("kind", ["swin", "cnn", "mixed"])
def test_what_looks_everywhere_has_no_field(kind: str) -> None:
    assert receptive_field(random_program(np.random.default_rng(0), kind=kind)) is None


def test_a_reshape_that_breaks_the_axes_ends_the_field() -> None:
    maker = Maker(np.random.default_rng(0), 4, 4)
    x = maker.conv("conv", maker.input(multiple=1), 3, 3)
    x = maker.reshape("flat", x, 1, 3, AREA)
    maker.output(maker.reshape("map", x, 1, 3, H, W))
    assert receptive_field(Program(1, "flat", Coverage.PAPER, tuple(maker.ops))) is None
