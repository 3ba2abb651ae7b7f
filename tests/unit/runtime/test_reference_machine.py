"""Quantized products against torch in integers, the two ends of a program, whole programs on pictures of any size."""

from __future__ import annotations

import numpy as np
import pytest

from intaglio.errors import EngineError
from intaglio.packed.errors import DataFlowError
from intaglio.packed.examples import random_program
from intaglio.packed.program import Op, Program, Site
from intaglio.runtime.reference import KERNELS, Probe, Reference
from intaglio.runtime.reference.ends import enter, from_levels, leave, to_levels
from intaglio.spec import Bounds, Coverage, Grid

torch = pytest.importorskip("torch")
F = torch.nn.functional

ROUNDING = 2.0**-24
RNG = np.random.default_rng(7)
X = RNG.standard_normal((1, 4, 6, 5)).astype(np.float32)
BIAS = RNG.standard_normal(6).astype(np.float32)


def wide(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array).double()


def grids(bits: int, count: int) -> tuple[Grid, ...]:
    return tuple(Grid.from_bounds(Bounds(-0.4 - n / 4, 0.7), bits) for n in range(count))


def real(codes: np.ndarray, grid: Grid) -> np.ndarray:
    return grid.lower + grid.step * codes.astype(np.float64)


def codes_of(x: np.ndarray, grid: Grid) -> np.ndarray:
    position = (x - np.float32(grid.lower)) * (np.float32(1) / np.float32(grid.step))
    return np.clip(np.rint(position), 0, grid.top).astype(np.uint8)


@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "groups", "mode", "bits"),
    [
        ((1, 1), (1, 1, 1, 1), (1, 1), 1, "zeros", 4),
        ((2, 1), (1, 0, 2, 1), (1, 1), 2, "zeros", 3),
        ((1, 2), (2, 2, 2, 2), (2, 1), 1, "reflect", 8),
        ((2, 2), (0, 0, 0, 0), (1, 2), 2, "reflect", 2),
    ],
)
def test_quantized_convolution_pads_before_it_quantizes(
    stride: tuple[int, int], padding: tuple[int, ...], dilation: tuple[int, int], groups: int, mode: str, bits: int
) -> None:
    # zero is no level of this grid, so that a padding with code 0, or with real 0, would show at the border
    grid = Grid.from_bounds(Bounds(-1.3, 2.1), bits)
    codes = RNG.integers(0, 1 << bits, (6, 4 // groups, 3, 2), dtype=np.uint8)
    attrs = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups, "pad_mode": mode}
    sites = {"input": Site("c:input", (grid,)), "weight": Site("c:weight", grids(bits, 6))}
    seen: dict[str, np.ndarray] = {}
    op = Op("conv2d", "c", ("x",), "y", attrs, {"weight.codes": codes, "bias": BIAS}, sites)
    got = KERNELS["conv2d"](op, [X], Probe(seen.__setitem__, seen.__setitem__), (6, 5))
    top, left, bottom, right = padding
    widths = ((0, 0), (0, 0), (top, bottom), (left, right))
    code = codes_of(np.pad(X, widths, mode="constant" if mode == "zeros" else "reflect"), grid)
    assert np.array_equal(seen["c:input"], code)
    form = {"stride": stride, "dilation": dilation, "groups": groups}
    assert seen["c"].dtype == np.int32
    assert np.array_equal(seen["c"], F.conv2d(wide(code), wide(codes), **form))
    weight = np.stack([real(row, one) for row, one in zip(codes, grids(bits, 6), strict=True)])
    expected = F.conv2d(wide(real(code, grid)), wide(weight), wide(BIAS), **form).numpy()
    # equation (5): five roundings of the sum of magnitudes, below 24 products of 3.4 * 2.6, four times over
    assert np.max(np.abs(got - expected)) <= 5.01 * ROUNDING * 4 * 24 * 3.4 * 2.6


def test_quantized_linear_and_product_show_codes_and_exact_integers() -> None:
    grid, seen = Grid.from_bounds(Bounds(-1.3, 2.1), 4), dict[str, np.ndarray]()
    probe = Probe(seen.__setitem__, seen.__setitem__)
    codes = RNG.integers(0, 16, (6, 5), dtype=np.uint8)
    sites = {"input": Site("l:input", (grid,)), "weight": Site("l:weight", grids(4, 6))}
    linear = Op("linear", "l", ("x",), "y", {}, {"weight.codes": codes, "bias": BIAS}, sites)
    got = KERNELS["linear"](linear, [X], probe, (6, 5))
    code = codes_of(X, grid)
    assert np.array_equal(seen["l:input"], code)
    assert np.array_equal(seen["l"], code.astype(int) @ codes.T.astype(int))
    weight = np.stack([real(row, one) for row, one in zip(codes, grids(4, 6), strict=True)])
    assert np.max(np.abs(got - (real(code, grid) @ weight.T + BIAS))) <= 5.01 * ROUNDING * 4 * 5 * 3.4 * 2.6

    product = Op("matmul", "m", ("a", "b"), "y", {}, {}, {"a": Site("m:a", (grid,)), "b": Site("m:b", (grid,))})
    b = RNG.standard_normal((4, 5, 3)).astype(np.float32)
    got = KERNELS["matmul"](product, [X, b], probe, (6, 5))
    assert np.array_equal(seen["m:b"], codes_of(b, grid))
    assert np.array_equal(seen["m"], seen["m:a"].astype(int) @ seen["m:b"].astype(int))
    expected = real(seen["m:a"], grid) @ real(seen["m:b"], grid)
    assert np.max(np.abs(got - expected)) <= 6.01 * ROUNDING * 4 * 5 * 3.4 * 3.4


def test_a_product_over_a_whole_picture_may_leave_32_bits() -> None:
    grid, seen = Grid(0.0, 1.0, 8), dict[str, np.ndarray]()
    product = Op("matmul", "m", ("a", "b"), "y", {}, {}, {"a": Site("m:a", (grid,)), "b": Site("m:b", (grid,))})
    for terms, whole in ((33_025, np.int32), (70_000, np.int64)):
        full = np.full((1, terms), 255.0, np.float32)
        KERNELS["matmul"](product, [full, full.T], Probe(tap_integer=seen.__setitem__), (1, 1))
        assert seen["m"].dtype == whole
        assert seen["m"][0, 0] == terms * 255 * 255


@pytest.mark.parametrize("pad", ["mirror", "reflect", "edge", "zero"])
@pytest.mark.parametrize("multiple", [1, 4, 8])
def test_input_continues_the_picture_and_output_inverts_it(pad: str, multiple: int) -> None:
    ends = {"range": 2.0, "mean": (0.25, 0.5, 0.75)}
    first = Op("input", "i", (), "x", {"channels": 3, **ends, "multiple": multiple, "pad": pad})
    for height, width in ((1, 1), (3, 5), (8, 7)):
        image = RNG.integers(0, 256, (height, width, 3), dtype=np.uint8)
        padded = -(-height // multiple) * multiple, -(-width // multiple) * multiple
        x = enter(from_levels(image), first, padded)
        assert x.shape == (1, 3, *padded)
        for row in range(height, padded[0]):
            place = continued(pad, row, height)
            assert np.array_equal(x[0, :, row, 0], np.zeros(3) if place is None else x[0, :, place, 0])
        planes = leave(x, Op("output", "o", ("x",), "o", ends), height, width)
        assert np.array_equal(to_levels(planes), image)


def continued(pad: str, row: int, height: int) -> int | None:
    """The row of the picture that stands at a row below it."""
    if pad == "zero":
        return None
    if pad == "edge" or height == 1:
        return height - 1
    period = 2 * height if pad == "mirror" else 2 * (height - 1)
    place = row % period
    return min(place, period - place - (pad == "mirror"))


@pytest.mark.parametrize("coverage", Coverage)
@pytest.mark.parametrize(
    ("kind", "sizes"),
    [("swin", [(1, 1), (5, 3), (9, 4)]), ("cnn", [(3, 3), (5, 8)]), ("mixed", [(1, 1), (6, 9)])],
)
@pytest.mark.parametrize("scale", [2, 3])
def test_programs_run_on_pictures_of_any_size(
    kind: str, sizes: list[tuple[int, int]], coverage: Coverage, scale: int
) -> None:
    seen: dict[str, np.ndarray] = {}
    integers: dict[str, np.ndarray] = {}
    program = random_program(np.random.default_rng(0), kind=kind, coverage=coverage, scale=scale, per_channel=True)
    upscaler = Reference(program, tap=seen.__setitem__, tap_integer=integers.__setitem__)
    for height, width in sizes:
        image = RNG.integers(0, 256, (height, width, 3), dtype=np.uint8)
        result = upscaler(image)
        assert result.shape == (height * scale, width * scale, 3)
        assert np.array_equal(result, Reference(program)(image))
    acts = {site.name: site for op in program.ops for role, site in op.sites.items() if role != "weight"}
    assert seen.keys() == acts.keys()
    assert all(codes.max() <= acts[name].grid.top for name, codes in seen.items())
    assert integers.keys() == {op.name for op in program.ops if op.sites}


def test_wrong_pictures_and_programs_are_refused() -> None:
    program = random_program(np.random.default_rng(0), kind="cnn")
    upscaler = Reference(program)
    for image in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(EngineError, match="expected uint8"):
            upscaler(image)
    with pytest.raises(EngineError, match="expected \\(3, height, width\\)"):
        upscaler.planes(np.zeros((1, 4, 4), np.float32))
    with pytest.raises(EngineError, match="too small"):
        upscaler(np.zeros((1, 1, 3), np.uint8))
    first, second, *rest = program.ops
    with pytest.raises(DataFlowError):
        Reference(Program(program.scale, program.architecture, program.coverage, (first, *rest[:1], second, *rest[1:])))
