"""The affine grid and its integer products: equations (1) to (5) of ``docs/numerics.md``, one function each.

Operations on whole maps are in the files beside this one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from intaglio._shapes import Float32, Int, Num, UInt8
from intaglio.spec import Grid


class Product(NamedTuple):
    """An integer product: its value in real units, and the exact integers R that it was made from."""

    value: Float32[np.ndarray, "*batch m n"]
    integers: Int[np.ndarray, "*batch m n"]


def quantize(x: Float32[np.ndarray, "*shape"], grid: Grid) -> UInt8[np.ndarray, "*shape"]:
    """Codes of real values, equation (2): nearest level, half to even, clamped to [0, 2**bits - 1]; NaN gets code 0.

    Shapes: any, kept. Units: those of the grid. Source: equations (2) and, for a grid with pieces, (2b).

    >>> quantize(np.array([-9.0, -1.0, 0.4, 0.5, 9.0], dtype=np.float32), Grid(lower=-1.0, step=1.0, bits=2)).tolist()
    [0, 0, 1, 2, 3]
    """
    position = (x - np.float32(grid.lower)) * _inverse(grid.step)
    if not grid.pieces:
        return _steps(position, grid.top)
    codes, first = np.zeros(x.shape, dtype=np.uint8), 0
    for stride, steps in grid.pieces:
        codes += np.uint8(stride) * _steps((position - np.float32(first)) * _inverse(stride), steps)
        first += stride * steps
    return codes


def _inverse(step: float | int) -> np.float32:
    return np.float32(1.0) / np.float32(step)


def _steps(position: Float32[np.ndarray, "*shape"], most: int) -> UInt8[np.ndarray, "*shape"]:
    clamped = np.fmin(np.fmax(np.rint(position), np.float32(0.0)), np.float32(most))
    return np.asarray(clamped, dtype=np.uint8)


def dequantize(codes: UInt8[np.ndarray, "*shape"], grid: Grid) -> Float32[np.ndarray, "*shape"]:
    """Real values of codes, equation (3): ``lower + step * code`` in single precision.

    >>> dequantize(np.array([0, 3], dtype=np.uint8), Grid(lower=-1.0, step=1.0, bits=2)).tolist()
    [-1.0, 2.0]
    """
    return np.float32(grid.lower) + np.float32(grid.step) * codes.astype(np.float32)


def exact_type(terms: int, top_a: int, top_b: int) -> type[np.floating]:
    """The float type in which a matrix product of codes is exact whatever the order of its sums.

    Every partial sum is an integer of at most ``terms * top_a * top_b``: exact in single precision up to 2**24 and in
    double precision up to 2**53. This is why integer products may go through the fast float routines of numpy, which
    has none for integers.

    >>> exact_type(60, 15, 15).__name__, exact_type(60 * 9, 255, 255).__name__
    ('float32', 'float64')
    """
    return np.float32 if terms * top_a * top_b <= 1 << 24 else np.float64


def integer_product(
    a: UInt8[np.ndarray, "... m k"], b: UInt8[np.ndarray, "... k n"], top_a: int = 255, top_b: int = 255
) -> Int[np.ndarray, ...]:
    """Exact ``R = sum_k a[m, k] * b[k, n]`` of codes that are at most `top_a` and `top_b`.

    Shapes: (..., m, k) and (..., k, n) to (..., m, n), axes before the last two broadcast. Guarantee: exact for
    ``k * top_a * top_b < 2**53``, which the reader of packed models checks; int32 below 2**31, int64 from there on.
    Source: R of equation (4).

    >>> integer_product(np.array([[1, 2]], dtype=np.uint8), np.array([[3], [4]], dtype=np.uint8)).tolist()
    [[11]]
    """
    real = exact_type(a.shape[-1], top_a, top_b)
    whole = np.int32 if a.shape[-1] * top_a * top_b < 1 << 31 else np.int64
    return np.asarray(np.matmul(a.astype(real), b.astype(real)), dtype=whole)


def zero_code(grids: Sequence[Grid]) -> int:
    """The code nearest to zero; of several channels, midway between the least and the greatest of theirs.

    >>> zero_code([Grid(lower=-1.0, step=1.0, bits=2)]), zero_code([Grid(lower=0.5, step=1.0, bits=2)])
    (1, 0)
    """
    zeros = [-float(grid.lower) / float(grid.step) for grid in grids]
    return int(min(max(np.rint((min(zeros) + max(zeros)) / 2.0), 0.0), grids[0].top))


def linear_constants(
    sums_w: Num[np.ndarray, " n"],
    terms: int,
    grid_x: Grid,
    grids_w: Sequence[Grid],
    bias: Float32[np.ndarray, " n"],
    zero: int = 0,
) -> tuple[Float32[np.ndarray, " n"], Float32[np.ndarray, " n"], Float32[np.ndarray, " n"]]:
    """The constants of equation (5) for each output: of the product of codes less `zero` of the weight, of the row sum
    of x, and alone.

    `grids_w` holds one grid, or one for each output. Formed in double precision and rounded once to single.
    """
    step_w = np.array([grid.step for grid in grids_w], dtype=np.float64)
    lower_w = np.array([grid.lower for grid in grids_w], dtype=np.float64)
    constant = step_w * grid_x.lower * sums_w + terms * grid_x.lower * lower_w + bias
    ones = np.ones(bias.shape, dtype=np.float64)
    of_product, of_sum = grid_x.step * step_w * ones, grid_x.step * (lower_w + zero * step_w) * ones
    return of_product.astype(np.float32), of_sum.astype(np.float32), constant.astype(np.float32)


def integer_linear(
    codes_x: UInt8[np.ndarray, "*batch m k"],
    codes_w: UInt8[np.ndarray, "n k"],
    grid_x: Grid,
    grids_w: Sequence[Grid],
    bias: Float32[np.ndarray, " n"],
) -> Product:
    """A quantized linear layer, ``x w^T + bias``, from codes: equation (5).

    Shapes: codes (..., m, k) and weight codes (n, k) to (..., m, n).

    >>> grid = Grid(lower=-1.0, step=1.0, bits=2)
    >>> y, integers = integer_linear(np.array([[0, 3]], dtype=np.uint8), np.array([[1, 2]], dtype=np.uint8),
    ...                              grid, [grid], np.array([0.5], dtype=np.float32))
    >>> y.tolist(), integers.tolist()  # (-1)(0) + (2)(1) + 0.5, and 0 * 1 + 3 * 2
    ([[2.5]], [[6]])
    """
    integers = integer_product(codes_x, codes_w.T, grid_x.top, grids_w[0].top)
    sums_x = codes_x.sum(axis=-1, dtype=np.int64, keepdims=True)
    sums_w = codes_w.sum(axis=-1, dtype=np.int64)
    zero = zero_code(grids_w)
    of_product, of_sum, constant = linear_constants(sums_w, codes_w.shape[-1], grid_x, grids_w, bias, zero)
    small = (integers - zero * sums_x).astype(np.float32)
    value = of_product * small + of_sum * sums_x.astype(np.float32) + constant
    return Product(value, integers)


def integer_matmul(
    codes_a: UInt8[np.ndarray, "... m k"], codes_b: UInt8[np.ndarray, "... k n"], grid_a: Grid, grid_b: Grid
) -> Product:
    """A product of two quantized activations, ``a b``, from codes: equation (4), both sums taken at run time.

    Shapes: (..., m, k) and (..., k, n) to (..., m, n).

    >>> grid = Grid(lower=-1.0, step=1.0, bits=2)
    >>> a, b = np.array([[0, 3]], dtype=np.uint8), np.array([[1], [2]], dtype=np.uint8)
    >>> integer_matmul(a, b, grid, grid).value.tolist()
    [[2.0]]
    """
    terms, zero = codes_a.shape[-1], zero_code([grid_b])
    lower_b = grid_b.lower + zero * grid_b.step
    integers = integer_product(codes_a, codes_b, grid_a.top, grid_b.top)
    sums_a = codes_a.sum(axis=-1, dtype=np.int64, keepdims=True)
    sums_b = codes_b.sum(axis=-2, dtype=np.int64, keepdims=True) - zero * terms
    value = (
        np.float32(grid_a.step * grid_b.step) * (integers - zero * sums_a).astype(np.float32)
        + np.float32(grid_a.step * lower_b) * sums_a.astype(np.float32)
        + np.float32(grid_b.step * grid_a.lower) * sums_b.astype(np.float32)
        + np.float32(terms * grid_a.lower * lower_b)
    )
    return Product(value, integers)
