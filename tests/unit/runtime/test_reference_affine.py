"""The affine grid and equations (4) and (5): integers are exact, values equal the dequantized product."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intaglio.runtime.reference import dequantize, integer_linear, integer_matmul, quantize
from intaglio.runtime.reference.activations import erf, gelu, sigmoid
from intaglio.runtime.reference.affine import exact_type, integer_product, zero_code
from intaglio.spec import MAX_BITS, MAX_PIECES, MIN_BITS, Bounds, Grid, Piece

ROUNDING = 2.0**-24  # half a unit in the last place of a single-precision number near one

widths = st.integers(MIN_BITS, MAX_BITS)


@st.composite
def grids(draw: st.DrawFn) -> Grid:
    lower = draw(st.floats(-8, 8, width=32))
    return Grid.from_bounds(Bounds(lower, lower + draw(st.floats(0.0625, 16, width=32))), draw(widths))


@st.composite
def grids_with_pieces(draw: st.DrawFn) -> Grid:
    few = st.builds(Piece, st.integers(1, 21), st.integers(1, 3))
    many = st.builds(Piece, st.integers(1, 7), st.integers(1, 9))  # of either at most 4 * 63 codes
    pieces = tuple(draw(st.lists(st.one_of(few, many), min_size=1, max_size=MAX_PIECES)))
    plain = draw(grids())
    return Grid(plain.lower, plain.step, 8, pieces)


@given(grids_with_pieces())
def test_pieces_are_idempotent_monotone_and_reach_all_their_levels(grid: Grid) -> None:
    codes = np.array(grid.codes, dtype=np.uint8)
    assert (len(codes), codes[-1]) == (grid.levels, grid.top)
    assert np.array_equal(quantize(dequantize(codes, grid), grid), codes)
    sweep = np.linspace(grid.lower - 1, grid.upper + 1, 7777).astype(np.float32)
    found = quantize(sweep, grid).astype(int)
    assert np.all(np.diff(found) >= 0)
    assert set(found.tolist()) <= set(codes.tolist())


@given(grids_with_pieces(), st.lists(st.floats(-20, 600, width=32), min_size=1, max_size=30))
def test_pieces_take_the_nearest_level(grid: Grid, values: list[float]) -> None:
    x, levels = np.array(values, dtype=np.float32), real(np.array(grid.codes), grid)
    error = np.abs(real(quantize(x, grid), grid) - x)
    nearest = np.abs(x[:, None] - levels).min(axis=1)
    # positions of at most 600 / 2**-12 steps, five roundings each; beyond the ends they matter least
    slack = 5 * ROUNDING * (np.abs(x) + abs(grid.lower) + grid.step * grid.top)
    assert np.all(error <= nearest + 2 * slack)


def test_ties_of_a_piece_go_to_its_even_step() -> None:
    grid = Grid(lower=0.0, step=1.0, bits=8, pieces=(Piece(2, 4), Piece(10, 3)))
    x = np.array([1.0, 3.0, 5.0, 13.0, 23.0, 33.0, np.nan, np.inf], dtype=np.float32)
    assert quantize(x, grid).tolist() == [0, 4, 4, 8, 28, 28, 0, 38]


def real(codes: np.ndarray, grid: Grid) -> np.ndarray:
    return grid.lower + grid.step * codes.astype(np.float64)


@given(grids(), st.lists(st.floats(-(2.0**99), 2.0**99, width=32), min_size=1, max_size=20))
def test_quantize_clamps_and_stays_within_half_a_step(grid: Grid, values: list[float]) -> None:
    x = np.array(values, dtype=np.float32)
    codes = quantize(x, grid)
    assert codes.max() <= grid.top
    inside = (x >= grid.lower) & (x <= grid.upper)
    # x - lower, its product with 1/step (itself rounded): three roundings of at most top codes; then the level
    slack = grid.step * (0.5 + 4 * ROUNDING * (grid.top + 1)) + 2 * ROUNDING * (abs(grid.lower) + grid.step * grid.top)
    assert np.all(np.abs(x - real(codes, grid))[inside] <= slack)


@given(grids())
def test_quantize_is_idempotent_and_monotone(grid: Grid) -> None:
    codes = np.arange(grid.levels, dtype=np.uint8)
    assert np.array_equal(quantize(dequantize(codes, grid), grid), codes)
    sweep = np.linspace(grid.lower - 1, grid.upper + 1, 777).astype(np.float32)
    assert np.all(np.diff(quantize(sweep, grid).astype(int)) >= 0)


def test_ties_go_to_the_even_code_and_nan_to_zero() -> None:
    grid = Grid(lower=0.0, step=1.0, bits=3)
    x = np.array([0.5, 1.5, 2.5, 3.5, np.nan, np.inf, -np.inf], dtype=np.float32)
    assert quantize(x, grid).tolist() == [0, 2, 2, 4, 0, 7, 0]


@given(st.integers(1, 300), widths, widths, st.integers(0, 2**32 - 1))
def test_integer_products_are_exact(terms: int, bits_a: int, bits_b: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 1 << bits_a, (2, 3, terms), dtype=np.uint8)
    b = rng.integers(0, 1 << bits_b, (2, terms, 4), dtype=np.uint8)
    expected = np.einsum("bmk,bkn->bmn", a.astype(np.int64), b.astype(np.int64))
    assert np.array_equal(integer_product(a, b, (1 << bits_a) - 1, (1 << bits_b) - 1), expected)


def test_the_largest_sums_are_exact_at_the_edge_of_single_precision() -> None:
    for terms in (258, 259, 33_025):
        full = np.full((1, terms), 255, dtype=np.uint8)
        assert integer_product(full, full.T)[0, 0] == terms * 255 * 255
    assert exact_type(258, 255, 255) is np.float32
    assert exact_type(259, 255, 255) is np.float64


@given(grids(), grids(), st.booleans(), st.integers(0, 2**32 - 1))
def test_equation_5_equals_the_dequantized_linear(grid_x: Grid, grid_w: Grid, per_channel: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    m, n, k = 3, 5, 17
    grids_w = [
        Grid(grid_w.lower * (1 + i) / 4, grid_w.step / (1 + i), grid_w.bits) for i in range(n if per_channel else 1)
    ]
    x, w = (
        rng.integers(0, grid_x.levels, (m, k), dtype=np.uint8),
        rng.integers(0, grid_w.levels, (n, k), dtype=np.uint8),
    )
    bias = rng.standard_normal(n).astype(np.float32)
    value, integers = integer_linear(x, w, grid_x, grids_w, bias)
    assert np.array_equal(integers, x.astype(int) @ w.astype(int).T)
    lower = np.array([grid.lower for grid in grids_w])[:, None]
    step = np.array([grid.step for grid in grids_w])[:, None]
    expected = real(x, grid_x) @ (lower + step * w).T + bias
    # three terms, each with at most three roundings, then two sums: five roundings of the sum of magnitudes
    sums_x, sums_w, zero = x.sum(axis=1, keepdims=True, dtype=int), w.sum(axis=1, dtype=int), zero_code(grids_w)
    of_constant = np.abs(step[:, 0] * grid_x.lower * sums_w + k * grid_x.lower * lower[:, 0] + bias)
    small = np.abs(integers.astype(np.int64) - zero * sums_x)
    of_sums = np.abs(grid_x.step * (lower + zero * step)[:, 0]) * sums_x
    magnitude = grid_x.step * step[:, 0] * small + of_sums + of_constant
    assert np.all(np.abs(value - expected) <= 5.01 * ROUNDING * magnitude + 1e-30)


@given(grids(), grids(), st.integers(0, 2**32 - 1))
def test_equation_4_equals_the_dequantized_product(grid_a: Grid, grid_b: Grid, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = (
        rng.integers(0, grid.levels, shape, dtype=np.uint8)
        for grid, shape in ((grid_a, (2, 3, 11)), (grid_b, (2, 11, 4)))
    )
    value, integers = integer_matmul(a, b, grid_a, grid_b)
    expected = real(a, grid_a) @ real(b, grid_b)
    sums_a, sums_b = a.sum(axis=-1, keepdims=True, dtype=int), b.sum(axis=-2, keepdims=True, dtype=int)
    zero = zero_code([grid_b])
    lower_b = grid_b.lower + zero * grid_b.step
    terms = (
        grid_a.step * grid_b.step * (integers.astype(np.int64) - zero * sums_a),
        grid_a.step * lower_b * sums_a,
        grid_b.step * grid_a.lower * (sums_b - zero * a.shape[-1]),
        a.shape[-1] * grid_a.lower * lower_b,
    )
    magnitude = sum(np.abs(term) for term in terms)  # each term has at most three roundings, and there are three sums
    assert np.all(np.abs(value - expected) <= 6.01 * ROUNDING * magnitude + 1e-30)


def test_wide_products_lose_nothing_to_their_offsets() -> None:
    """What the weight's offset adds and takes away again is formed in integers: the value is right to a few roundings
    of products of *values* and of what the input's offset adds. The product of both offsets is twenty times as large.
    """
    rng = np.random.default_rng(0)
    grid_x, grid_w = Grid(-50.0, 0.42, 8), Grid(-2.79, 0.0226, 8)
    x, w = (rng.binomial(255, 0.47, shape).astype(np.uint8) for shape in ((64, 468), (16, 468)))
    value, _ = integer_linear(x, w, grid_x, [grid_w], np.zeros(16, np.float32))
    values = real(x, grid_x), real(w, grid_w)
    size = np.abs(values[0]) @ np.abs(values[1]).T + np.abs(grid_x.lower * values[1].sum(axis=1))
    assert 468 * grid_x.lower * grid_w.lower > 20 * size.max()
    assert np.abs(value - values[0] @ values[1].T).max() <= 8 * ROUNDING * size.max()


def test_erf_is_accurate_everywhere() -> None:
    x = np.concatenate([np.linspace(-7, 7, 20_011), [0.0, -0.0, 1e300, -1e300, np.inf, -np.inf]])
    assert np.max(np.abs(erf(x) - np.array([math.erf(value) for value in x]))) <= 1e-9


@pytest.mark.parametrize("value", [-200.0, -3.0, 0.0, 0.25, 5.0, 200.0])
def test_gelu_and_sigmoid_follow_their_definitions(value: float) -> None:
    x = np.array([value], dtype=np.float32)
    assert gelu(x)[0] == pytest.approx(
        value / 2 * (1 + math.erf(value / math.sqrt(2))), abs=1e-9 * abs(value), rel=ROUNDING
    )
    expected = 1 / (1 + math.exp(-value))
    assert sigmoid(x)[0] == pytest.approx(expected, rel=8 * ROUNDING, abs=2.0**-149)
