"""Every native operation against the reference, on every instruction set: the registry is walked.

Each operation of random programs, and of programs about one operation at its limits, gets the inputs that the reference
gives it. What has a fixed order of roundings is held to ``==``, linear layers and products of codes with it; the other
tolerances are derived from the number of roundings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest

from intaglio.errors import EngineError, PackedError
from intaglio.packed.definition import Picture
from intaglio.packed.errors import ScaleError, ShapeError
from intaglio.packed.examples import random_program
from intaglio.packed.examples.limits import limit_program
from intaglio.packed.ops import OPS
from intaglio.packed.program import Op, Program
from intaglio.packed.shapes import infer_shapes, padded_sides
from intaglio.packed.validate import validate
from intaglio.runtime import native
from intaglio.runtime.reference.conv import correlate, pad_map
from intaglio.runtime.reference.ends import enter, from_levels
from intaglio.runtime.reference.machine import KERNELS
from intaglio.runtime.reference.probe import Probe
from intaglio.runtime.single import run_operation
from intaglio.spec import Coverage

RUNNABLE = [one.name for one in native.machine().sets if one.runnable]
EPSILON = 2.0**-24  # the relative error of one rounding
SPLIT = 3 * 2.0**-18  # what three products of two bfloat16 each leave out of a product
LOOSE = 16 * EPSILON  # two libraries' functions of one number, each within a few units of the last place
SIZES = ((11, 6), (24, 5))

Values = Sequence[np.ndarray]
Case = tuple[Op, list[np.ndarray], Picture, np.ndarray]


def walk(program: Program, height: int, width: int) -> Iterator[Case]:
    """Each operation between the ends, with the inputs and the value that the reference has there."""
    image = np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    picture = padded_sides(program, height, width)
    first, *middle, _ = program.ops
    values = {first.output: enter(from_levels(image), first, picture)}
    with np.errstate(all="ignore"):
        for op in middle:
            inputs = [values[name] for name in op.inputs]
            values[op.output] = KERNELS[op.kind](op, inputs, Probe(), picture)
            yield op, inputs, picture, values[op.output]


def programs(kind: str) -> Iterator[Program]:
    """Sound programs with an operation of this kind: at its limits, and as networks have it."""
    for seed in range(10):
        program = limit_program(np.random.default_rng(seed), kind)
        try:
            validate(program)
            for size in SIZES:
                infer_shapes(program, *size)
        except (PackedError, ShapeError, ScaleError):
            continue
        yield program
    for seed, network in enumerate(("swin", "cnn", "mixed")):
        coverage = (Coverage.PAPER, Coverage.FULL)[seed % 2]
        yield random_program(np.random.default_rng(seed), kind=network, blocks=2, scale=2, coverage=coverage)  # type: ignore[arg-type]


def no_error(op: Op, inputs: Values, want: np.ndarray) -> float:
    return 0.0


def of_conv(op: Op, inputs: Values, want: np.ndarray) -> np.ndarray:
    """Each side rounds each of K products and sums once; of codes, the constants of equation (5) alone."""
    padded = np.abs(pad_map(inputs[0], op).astype(np.float64))
    form = op.integers("stride"), op.integers("dilation"), op.integer("groups")
    bias = np.abs(op.tensors.get("bias", np.zeros(want.shape[1], np.float32))).astype(np.float64)[:, None, None]
    if not op.sites:
        weight = np.abs(op.tensors["weight"].astype(np.float64))
        return (correlate(padded, weight, *form) + bias) * (2 * (weight[0].size + 2) * EPSILON + SPLIT)
    terms, grid, grids = op.tensors["weight.codes"][0].size, op.sites["input"].grid, op.sites["weight"].grids
    most_x = abs(grid.lower) + grid.step * grid.top
    most_w = max(abs(one.lower) + one.step * (128 + one.top) for one in grids)
    return np.asarray(16 * EPSILON * (4 * terms * most_x * most_w + bias))


def of_product(op: Op, inputs: Values, want: np.ndarray) -> np.ndarray | float:
    if op.sites:
        return 0.0
    b = op.tensors["weight"].T if op.kind == "linear" else inputs[1]
    size = np.abs(inputs[0].astype(np.float64)) @ np.abs(b.astype(np.float64))
    return (size + np.abs(want)) * 2 * (inputs[0].shape[-1] + 2) * EPSILON


def of_softmax(op: Op, inputs: Values, want: np.ndarray) -> np.ndarray:
    """The exponential is right to 4e-7, its argument to two roundings; the sum has as many roundings as terms."""
    axis = op.integer("axis")
    spread = np.minimum(np.max(inputs[0], axis, keepdims=True) - inputs[0].astype(np.float64), 90.0)
    return want * (2 * (5e-7 + 2 * EPSILON * spread.max()) + 2 * (want.shape[axis] + 8) * EPSILON) + 2.0**-120


def of_layer_norm(op: Op, inputs: Values, want: np.ndarray) -> np.ndarray:
    """Normalised values are below the root of the number of channels; sums of as many terms round as often."""
    x, channels = inputs[0].astype(np.float64), want.shape[-1]
    weight, bias = (np.abs(op.tensors[role].astype(np.float64)) for role in ("weight", "bias"))
    spread = np.sqrt(x.var(-1, keepdims=True) + op.real("eps"))
    size = np.abs(x).max(-1, keepdims=True) / np.maximum(spread, 1e-30) + np.sqrt(channels)
    return 4 * (channels + 16) * EPSILON * (size * weight + bias)


def of_reduce(op: Op, inputs: Values, want: np.ndarray) -> np.ndarray:
    """Both sides form it in double precision, in another order, and round once."""
    x = np.abs(inputs[0].astype(np.float64))
    power = 2 if op.text("function") == "var" else 1
    return 2 * EPSILON * np.abs(want) + 2.0**-50 * x.size * np.max(x, initial=0.0) ** power


def of_activation(op: Op, inputs: Values, want: np.ndarray) -> np.ndarray | float:
    """Exact where there is one rounding; gelu to 1e-5; the power of the sigmoid to 5e-7, its argument to two roundings.

    The argument of exponentials in softplus and mish is rounded once more than it is in a single function.
    """
    function, x = op.text("function"), np.abs(inputs[0].astype(np.float64))
    exact = {"relu", "abs", "neg", "square", "sqrt", "rsqrt", "reciprocal", "clamp", "hard_sigmoid", "hard_swish"}
    if function in exact:
        return 0.0
    if function in ("leaky_relu", "prelu"):
        return 2 * EPSILON * np.abs(want)
    if function == "gelu":
        return 1e-5 + EPSILON * x
    if function in ("sigmoid", "silu"):
        return (5e-7 + 2 * EPSILON * x + 6 * EPSILON) * np.abs(want) + 2.0**-120
    if function == "log":
        return LOOSE * (np.abs(want) + 1.0)
    return LOOSE * np.abs(want) + 2.0**-120


TOLERANCES: dict[str, Callable[[Op, Values, np.ndarray], np.ndarray | float]] = {
    "conv2d": of_conv,
    "linear": of_product,
    "matmul": of_product,
    "softmax": of_softmax,
    "layer_norm": of_layer_norm,
    "reduce": of_reduce,
    "normalize": lambda op, inputs, want: 8 * EPSILON * np.abs(want),
    "activation": of_activation,
    "pool2d": lambda op, inputs, want: 0.0 if op.text("function") == "max" else 2 * EPSILON * np.abs(want) + 2.0**-46,
}
"""How far the two may lie apart; not at all for what is not listed."""


def hold(case: Case, isa: str) -> None:
    op, inputs, picture, want = case
    got = run_operation(op, inputs, picture=picture, isa=isa, threads=2).output
    assert got.shape == want.shape, op
    with np.errstate(all="ignore"):
        tolerance = TOLERANCES.get(op.kind, no_error)(op, inputs, want)
        near = np.abs(got.astype(np.float64) - want) <= tolerance
    assert (near | (got == want) | (np.isnan(got) & np.isnan(want))).all(), (op.kind, dict(op.attrs))


@pytest.mark.parametrize("kind", [kind for kind in OPS if kind not in ("input", "output")])
def test_every_operation_agrees(kind: str) -> None:
    """Draws go through the instruction sets by turns."""
    held = 0
    for index, program in enumerate(programs(kind)):
        for size in SIZES:
            for number, case in enumerate(walk(program, *size)):
                if case[0].kind == kind and number < 60:
                    hold(case, RUNNABLE[(index + number + size[0]) % len(RUNNABLE)])
                    held += 1
    assert held >= 8


@pytest.mark.parametrize("isa", RUNNABLE)
@pytest.mark.parametrize("network", ["swin", "cnn", "mixed"])
def test_every_instruction_set_agrees(network: str, isa: str) -> None:
    program = random_program(np.random.default_rng(5), kind=network, blocks=1, coverage=Coverage.FULL)  # type: ignore[arg-type]
    for case in walk(program, 8, 9):
        hold(case, isa)


@pytest.mark.parametrize("kind", ["input", "output"])
def test_ends_agree(kind: str) -> None:
    """Every border, on bytes and on planes; the bytes to the last bit."""
    for seed in range(8):
        program = limit_program(np.random.default_rng(seed), kind)
        try:
            validate(program)
        except PackedError:
            continue
        from intaglio.runtime.reference import Reference

        upscaler, planes = native.NativeProgram(program, threads=2), Reference(program)
        for height, width in ((1, 1), (9, 5)):
            image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
            np.testing.assert_array_equal(upscaler.run(image), planes(image))
            np.testing.assert_array_equal(upscaler.planes(from_levels(image)), planes.planes(from_levels(image)))


@pytest.mark.parametrize("kind", OPS)
def test_what_an_operation_lacks_or_has_too_much_is_refused(kind: str) -> None:
    program = next(programs(kind))
    found = next(op for op in program.ops if op.kind == kind)
    wrong = [dict(found.attrs) | {"more": 1}]
    wrong += [{name: value for name, value in found.attrs.items() if name != gone} for gone in found.attrs]
    for attrs in wrong:
        changed = Op(kind, found.name, found.inputs, found.output, attrs, found.tensors, found.sites)
        ops = tuple(changed if op is found else op for op in program.ops)
        with pytest.raises(EngineError, match="attribute"):
            native.NativeProgram(Program(program.scale, "wrong", program.coverage, ops), threads=1)
