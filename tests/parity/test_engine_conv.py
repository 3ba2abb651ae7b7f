"""Native convolutions against the reference, on every instruction set that this machine runs.

Integer sums are held to ``==``: on grids with lower 0 and step 1 the output is the sum itself. Float tolerances are
derived from the length of the sums and the sizes of their terms.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intaglio.errors import EngineError
from intaglio.packed.program import Attr, Op, Site
from intaglio.runtime import native
from intaglio.runtime.reference.affine import linear_constants, quantize
from intaglio.runtime.reference.conv import conv2d, correlate, pad_map
from intaglio.runtime.reference.probe import Probe
from intaglio.runtime.single import run_operation
from intaglio.spec import Grid, Piece

EPSILON = 2.0**-24  # half the distance of 1 to the next float: the relative error of one rounding
SPLIT = 3 * 2.0**-18  # what three products of two bfloat16 each leave out of a product
STEEPEST = 1.13  # the largest slope of any activation (gelu)
ACTIVATION_ERROR = 1e-5  # of the polynomials of gelu and exp2, absolute, for arguments of a few units
RUNNABLE = [one.name for one in native.machine().sets if one.runnable]


@dataclass(frozen=True)
class Shape:
    """A convolution and its map, chosen to break a tiling."""

    inputs: int
    outputs: int
    kernel: int
    height: int
    width: int
    stride: int = 1
    pad: int = 0


SHAPES = {
    "SwinIR body": Shape(60, 60, 3, 9, 65, pad=1),
    "first": Shape(3, 60, 3, 5, 33, pad=1),
    "last, x4": Shape(60, 48, 3, 3, 31, pad=1),
    "last, x2": Shape(60, 12, 3, 4, 15, pad=1),
    "to RGB": Shape(64, 3, 3, 4, 17, pad=1),
    "one pixel": Shape(5, 7, 1, 1, 1),
    "one row": Shape(17, 6, 3, 1, 64, pad=1),
    "one column": Shape(6, 17, 3, 40, 1, pad=1),
    "one channel": Shape(1, 1, 5, 7, 130, pad=2),
    "two strips": Shape(34, 33, 3, 3, 129, pad=1),
    "several bands": Shape(70, 5, 3, 90, 20, pad=1),
    "attention of RLFN": Shape(16, 16, 3, 15, 31, stride=2),
    "stride beyond the kernel": Shape(40, 20, 1, 9, 40, stride=3),
    "wide kernel, stride": Shape(9, 23, 7, 20, 47, stride=2, pad=3),
    "padding beyond the kernel": Shape(4, 4, 1, 3, 5, pad=2),
    "pointwise": Shape(64, 40, 1, 6, 48),
}


ONE = (1, 1)
ACTIVATIONS = ("relu", "leaky_relu", "prelu", "sigmoid", "gelu", "silu")
"""Those that a convolution can do itself."""


def operation(
    shape: Shape,
    rng: np.random.Generator,
    grids: tuple[Grid, tuple[Grid, ...]] | None = None,
) -> Op:
    """A convolution with random weights; quantized on the input's and the weight's grids if they are given."""
    attrs: dict[str, Attr] = {
        "stride": (shape.stride,) * 2, "padding": (shape.pad,) * 4, "dilation": ONE, "groups": 1, "pad_mode": "zeros",
    }  # fmt: skip
    size = (shape.outputs, shape.inputs, shape.kernel, shape.kernel)
    tensors: dict[str, np.ndarray] = {"bias": rng.normal(size=shape.outputs).astype(np.float32)}
    sites: dict[str, Site] = {}
    if grids is None:
        tensors["weight"] = (rng.normal(size=size) / np.sqrt(np.prod(size[1:]))).astype(np.float32)
    else:
        tensors["weight.codes"] = rng.integers(0, grids[1][0].levels, size, dtype=np.uint8)
        sites = {"input": Site("conv:input", (grids[0],)), "weight": Site("conv:weight", grids[1])}
    return Op("conv2d", "conv", ("x",), "y", attrs, tensors, sites)


def activated(op: Op, act: str, rng: np.random.Generator) -> tuple[Op, Op]:
    """The convolution as fusion makes it, with an activation, and the activation by itself."""
    attrs: dict[str, Attr] = {"function": act, "slope": 0.2 if act == "leaky_relu" else 0.0}
    slopes = rng.uniform(-1.0, 1.0, len(op.tensors["bias"])).astype(np.float32)
    alone = {"weight": slopes} if act == "prelu" else {}
    tensors = {**op.tensors, "slopes": slopes} if act == "prelu" else op.tensors
    fused = replace(op, kind="fused_conv", attrs={**op.attrs, **attrs}, tensors=tensors)
    return fused, Op("activation", "act", ("x",), "y", {**attrs, "low": 0.0, "high": 0.0}, alone)


def random_map(shape: Shape, rng: np.random.Generator, spread: float = 1.0) -> np.ndarray:
    return (spread * rng.normal(size=(1, shape.inputs, shape.height, shape.width))).astype(np.float32)


def float_tolerance(op: Op, x: np.ndarray) -> np.ndarray:
    """Both sides round each of K products and sums once: 2 K roundings of at most the sum of the magnitudes."""
    padded = np.abs(pad_map(x, op).astype(np.float64))
    weight, bias = (np.abs(op.tensors[role].astype(np.float64)) for role in ("weight", "bias"))
    magnitude = correlate(padded, weight, op.integers("stride")) + bias[:, None, None]
    return magnitude * (2 * (weight[0].size + 2) * EPSILON + SPLIT)


def check_float(shape: Shape, isa: str, threads: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    op, x = operation(shape, rng), random_map(shape, rng)
    want = conv2d(op, [x], Probe(), ONE)
    got = run_operation(op, [x], isa=isa, threads=threads).output
    assert got.shape == want.shape
    error = np.abs(got.astype(np.float64) - want)
    assert (error <= float_tolerance(op, x)).all(), error.max()


@pytest.mark.parametrize("isa", RUNNABLE)
@pytest.mark.parametrize("name", SHAPES)
def test_float(name: str, isa: str) -> None:
    check_float(SHAPES[name], isa, threads=2, seed=1)


@pytest.mark.parametrize("isa", RUNNABLE)
@pytest.mark.parametrize("act", ACTIVATIONS)
def test_a_fused_activation_is_that_of_two_operations(act: str, isa: str) -> None:
    shape, rng = Shape(20, 21, 3, 3, 37, pad=1), np.random.default_rng(2)
    op, x = operation(shape, rng), random_map(shape, rng)
    fused, alone = activated(op, act, rng)
    between = run_operation(op, [x], isa=isa).output
    np.testing.assert_array_equal(
        run_operation(fused, [x], isa=isa).output, run_operation(alone, [between], isa=isa).output
    )


shapes = st.builds(
    Shape,
    inputs=st.integers(1, 70),
    outputs=st.integers(1, 70),
    kernel=st.sampled_from([1, 3, 5, 7]),
    height=st.integers(7, 12),
    width=st.one_of(st.integers(7, 70), st.sampled_from([15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129])),
    stride=st.integers(1, 3),
    pad=st.integers(0, 3),
)


@given(shape=shapes, isa=st.sampled_from(RUNNABLE), threads=st.integers(1, 3), seed=st.integers(0, 99))
@settings(max_examples=40)
def test_float_of_any_shape(shape: Shape, isa: str, threads: int, seed: int) -> None:
    check_float(shape, isa, threads, seed)


def unit_grids(act_bits: int, weight_bits: int, pieces: tuple[Piece, ...] = ()) -> tuple[Grid, tuple[Grid, ...]]:
    """Grids on which values are their codes."""
    return Grid(0.0, 1.0, act_bits, pieces), (Grid(0.0, 1.0, weight_bits),)


def check_sums(
    shape: Shape, act_bits: int, weight_bits: int, isa: str, threads: int, seed: int, pieces: tuple[Piece, ...] = ()
) -> None:
    """The output is R and an integer bias: exact in single precision while below 2**24, rounded beyond."""
    rng = np.random.default_rng(seed)
    op = operation(shape, rng, grids=unit_grids(act_bits, weight_bits, pieces))
    bias = rng.integers(-99, 99, shape.outputs).astype(np.float32)
    codes = op.tensors["weight.codes"].copy()
    codes[0] = codes.max()
    op = Op(op.kind, op.name, op.inputs, op.output, op.attrs, {"weight.codes": codes, "bias": bias}, op.sites)
    x = rng.uniform(-3.0, 2**act_bits + 3, (1, shape.inputs, shape.height, shape.width)).astype(np.float32)
    x[:, :, 0, 0] = 2**act_bits  # the extremes meet
    padded = quantize(pad_map(x, op), op.sites["input"].grid).astype(np.int64)
    want = correlate(padded, codes.astype(np.int64), op.integers("stride")) + bias.astype(np.int64)[:, None, None]
    # Codes of 8 bits are stored less 128, which the sum of the inputs makes good. Three roundings beyond 2**24.
    made_good = correlate(padded, np.full_like(codes, 128 if weight_bits == 8 else 0, np.int64), op.integers("stride"))
    largest = np.maximum(want, made_good) + 99
    got = run_operation(op, [x], isa=isa, threads=threads).output
    assert (np.abs(got.astype(np.float64) - want) <= np.where(largest < 2**24, 0.0, 3 * EPSILON * largest)).all()


@pytest.mark.parametrize("isa", RUNNABLE)
@pytest.mark.parametrize("bits", [(2, 2), (4, 4), (7, 7), (8, 4), (4, 8), (8, 7), (8, 8)])
@pytest.mark.parametrize("name", ["SwinIR body", "first", "to RGB", "one pixel", "wide kernel, stride", "pointwise"])
def test_integer_sums_are_exact(name: str, bits: tuple[int, int], isa: str) -> None:
    check_sums(SHAPES[name], *bits, isa, threads=2, seed=3)


@pytest.mark.parametrize("isa", RUNNABLE)
@pytest.mark.parametrize("pieces", [(Piece(20, 4), Piece(3, 7), Piece(30, 4)), (Piece(1, 8), Piece(16, 7))])
@pytest.mark.parametrize("name", ["SwinIR body", "first", "one pixel", "wide kernel, stride"])
def test_integer_sums_on_pieces(name: str, pieces: tuple[Piece, ...], isa: str) -> None:
    check_sums(SHAPES[name], 8, 4, isa, threads=2, seed=3, pieces=pieces)


@given(
    shape=shapes,
    bits=st.tuples(st.integers(2, 8), st.integers(2, 8)),
    isa=st.sampled_from(RUNNABLE),
    threads=st.integers(1, 3),
    seed=st.integers(0, 99),
)
@settings(max_examples=40)
def test_integer_sums_of_any_shape(shape: Shape, bits: tuple[int, int], isa: str, threads: int, seed: int) -> None:
    check_sums(shape, *bits, isa, threads, seed)


@pytest.mark.parametrize("isa", RUNNABLE)
@pytest.mark.parametrize("bits", [(4, 4), (8, 8), (3, 8)])
@pytest.mark.parametrize("name", SHAPES)
def test_offsets_and_grids_of_channels(name: str, bits: tuple[int, int], isa: str) -> None:
    """Zero is no level: the padding has a code of its own, and every term of equation (5) counts."""
    shape, rng = SHAPES[name], np.random.default_rng(4)
    grid_x = Grid(-1.2998046875, float(np.float32(3.1 / (2 ** bits[0] - 1))), bits[0])
    steps = rng.uniform(0.5, 1.5, shape.outputs).astype(np.float32) / np.float32(2 ** bits[1] - 1)
    grids_w = tuple(Grid(-0.4 - n / 1024, float(step), bits[1]) for n, step in enumerate(steps))
    op, x = operation(shape, rng, grids=(grid_x, grids_w)), random_map(shape, rng)
    want = conv2d(op, [x], Probe(), ONE)
    got = run_operation(op, [x], isa=isa, threads=2).output
    codes_w = op.tensors["weight.codes"]
    terms = codes_w[0].size
    sums_w = codes_w.reshape(shape.outputs, -1).sum(axis=1, dtype=np.int64)
    constants = linear_constants(sums_w, terms, grid_x, grids_w, op.tensors["bias"])
    # R and the sum of x as large as codes allow; shifted codes of 8 bits double the terms; ten roundings on both sides
    largest = np.array([terms * grid_x.top * grids_w[0].top, 2 * terms * grid_x.top * 128, 1])
    tolerance = 10 * EPSILON * (np.abs(np.stack(constants, axis=1)) * largest).sum(axis=1)
    assert (np.abs(got - want) <= tolerance[:, None, None]).all()


@pytest.mark.parametrize("isa", RUNNABLE)
def test_threads_do_not_change_a_bit(isa: str) -> None:
    shape, rng = SHAPES["several bands"], np.random.default_rng(5)
    op, x = operation(shape, rng), random_map(shape, rng)
    runs = [run_operation(op, [x], isa=isa, threads=threads).output for threads in (1, 2, 3)]
    np.testing.assert_array_equal(runs[0], runs[1])
    np.testing.assert_array_equal(runs[0], runs[2])


@pytest.mark.skipif("amx" not in RUNNABLE, reason="this machine has no matrix registers")
def test_the_matrix_registers_are_used() -> None:
    """Split products leave out what fused multiply-add keeps: equal bits would mean that another path ran."""
    shape, rng = SHAPES["SwinIR body"], np.random.default_rng(6)
    op, x = operation(shape, rng), random_map(shape, rng)
    vectors, matrices = (run_operation(op, [x], isa=isa).output for isa in ("avx512vnni", "amx"))
    assert (vectors != matrices).mean() > 0.5


@pytest.mark.parametrize(
    ("attr", "value"),
    [
        ("groups", 0), ("groups", 7), ("stride", (0, 1)), ("stride", (1,)), ("padding", (1, 1, 1, -1)),
        ("dilation", (1, 17)), ("pad_mode", "mirror"), ("pad_mode", 3),
    ],
)  # fmt: skip
def test_a_damaged_convolution_is_refused(attr: str, value: Attr) -> None:
    shape, rng = SHAPES["SwinIR body"], np.random.default_rng(7)
    op = operation(shape, rng)
    broken = Op(op.kind, op.name, op.inputs, op.output, {**op.attrs, attr: value}, op.tensors, op.sites)
    with pytest.raises(EngineError, match=r"pack the model again|incompatible"):
        run_operation(broken, [random_map(shape, rng)])


def test_a_picture_smaller_than_the_kernel_is_refused() -> None:
    shape, rng = Shape(3, 3, 7, 6, 9), np.random.default_rng(8)
    with pytest.raises(EngineError, match="enlarge"):
        run_operation(operation(shape, rng), [random_map(shape, rng)])


@pytest.mark.parametrize("isa", RUNNABLE)
@pytest.mark.parametrize("quantized", [False, True])
@pytest.mark.parametrize("width", [5, 33, 130])
def test_a_fused_sum_is_that_of_two_operations(isa: str, quantized: bool, width: int) -> None:
    rng, shape = np.random.default_rng(0), Shape(60, 20, 3, 4, width, pad=1)
    grid = Grid(-2.0, float(np.float32(4.0 / 15)), 4)
    conv = operation(shape, rng, grids=(grid, (grid,)) if quantized else None)
    x, residual = random_map(shape, rng), rng.normal(size=(1, 20, 4, width)).astype(np.float32)
    alone = run_operation(conv, [x], isa=isa, threads=2).output
    for own, other in ((1.0, 0.3), (1.0, 1.0), (0.3, 1.0)):
        terms = [
            run_operation(Op("affine", "s", ("x",), "y", {"scale": scale, "offset": 0.0}), [value], isa=isa).output
            for scale, value in ((own, alone), (other, residual))
        ]
        wanted = run_operation(Op("add", "sum", ("a", "b"), "s"), terms, isa=isa).output
        attrs = {**conv.attrs, "own_scale": own, "residual_scale": other}
        fused = replace(conv, kind="fused_conv", inputs=("x", "r"), attrs=attrs)
        np.testing.assert_array_equal(run_operation(fused, [x, residual], isa=isa, threads=2).output, wanted)


def test_a_residual_of_another_shape_is_refused() -> None:
    rng, shape = np.random.default_rng(0), Shape(3, 4, 3, 8, 8, pad=1)
    fused = replace(operation(shape, rng), kind="fused_conv", inputs=("x", "r"))
    with pytest.raises(EngineError, match="one shape"):
        run_operation(fused, [random_map(shape, rng), np.zeros((1, 4, 8, 9), np.float32)])


@given(
    shape=shapes,
    groups=st.integers(1, 4),
    dilation=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    padding=st.tuples(*[st.integers(0, 3)] * 4),
    reflect=st.booleans(),
    bits=st.tuples(st.integers(2, 8), st.integers(2, 8)),
    isa=st.sampled_from(RUNNABLE),
)
@settings(max_examples=40)
def test_what_the_kernels_do_not_do(
    shape: Shape,
    groups: int,
    dilation: tuple[int, int],
    padding: tuple[int, int, int, int],
    reflect: bool,
    bits: tuple[int, int],
    isa: str,
) -> None:
    """Groups, dilation, borders that differ or are mirrored: quantized convolutions are the reference's to the bit."""
    rng = np.random.default_rng(shape.inputs)
    shape = replace(shape, inputs=shape.inputs % 9 + 1, outputs=groups * (shape.outputs % 5 + 1), kernel=3)
    grid_x, grid_w = Grid(-1.25, 0.125, bits[0]), Grid(-0.375, float(np.float32(0.01)), bits[1])
    op = operation(shape, rng, grids=(grid_x, (grid_w,)))
    mode = "reflect" if reflect else "zeros"
    attrs = {**op.attrs, "groups": groups, "dilation": dilation, "padding": padding, "pad_mode": mode}
    op = replace(op, attrs=attrs)
    x = random_map(replace(shape, inputs=groups * shape.inputs), rng)
    plain = groups == 1 and dilation == ONE and len(set(padding)) == 1 and not (reflect and padding[0])
    want, got = conv2d(op, [x], Probe(), ONE), run_operation(op, [x], isa=isa, threads=2).output
    if plain:
        assert np.abs(got - want).max() <= 1e-3
    else:
        np.testing.assert_array_equal(got, want)
