"""Piecewise grids on the codes of one affine grid: what is kept exactly, what moves and how far, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from intaglio.errors import LoweringError
from intaglio.quant.dual_region import Budget, DualRegionQuantizer
from intaglio.quant.lattice import GridQuantizer, snap
from intaglio.quant.piecewise import Pieces
from intaglio.quant.symmetric import SignedRange, SymmetricQuantizer
from intaglio.runtime.reference import quantize
from intaglio.spec import MAX_PIECES

ROUNDING = 2.0**-23


@st.composite
def pieces(draw: st.DrawFn, most_steps: int = 12) -> Pieces:
    count = draw(st.integers(1, MAX_PIECES))
    steps = tuple(draw(st.integers(1, most_steps)) for _ in range(count))
    widths = [draw(st.floats(0.0078125, 30.0, width=32)) for _ in range(count)]
    edges = torch.tensor([draw(st.floats(-9.0, 9.0, width=32)), *widths]).cumsum(0)
    return Pieces(edges[:-1], edges[1:], edges[1:-1], steps)


@given(pieces())
def test_as_many_levels_in_as_many_steps(found: Pieces) -> None:
    grid = snap(found)
    assert tuple(steps for _, steps in grid.pieces) == found.steps
    assert grid.levels == len(found.levels())
    assert grid.top < 1 << grid.bits


@given(pieces(most_steps=8))
def test_the_densest_piece_keeps_its_levels_where_there_are_codes(found: Pieces) -> None:
    spacings = (found.ends - found.starts) / torch.tensor(found.steps)
    if float(sum((found.ends - found.starts) / spacings.min()) + sum(found.steps)) > 255:
        return  # its spacing may be finer than codes of 8 bits can be
    densest, grid = int(spacings.argmin()), snap(found)
    first = sum(stride * steps for stride, steps in grid.pieces[:densest])
    stride, steps = grid.pieces[densest]
    levels = grid.lower + grid.step * (first + stride * np.arange(steps + 1))
    wanted = torch.linspace(float(found.starts[densest]), float(found.ends[densest]), steps + 1).double().numpy()
    size = abs(grid.lower) + grid.step * 255
    np.testing.assert_allclose(levels, wanted, rtol=0.0, atol=4 * ROUNDING * size)


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 2), st.integers(1, 2))
def test_whole_multiples_are_kept_exactly(a: int, b: int, steps_a: int, steps_b: int) -> None:
    edges = torch.tensor([0.0, a * steps_a, a * steps_a + b * steps_b])
    found = Pieces(edges[:-1], edges[1:], edges[1:-1], (steps_a, steps_b))
    grid = snap(found)
    codes = np.cumsum([0, *[stride for stride, steps in grid.pieces for _ in range(steps)]])
    # the fine step is rounded once to single precision
    np.testing.assert_allclose(grid.lower + grid.step * codes, found.levels().numpy(), rtol=2.0**-23)


@given(pieces(), st.integers(0, 99))
def test_simulated_codes_are_those_of_the_reference(found: Pieces, seed: int) -> None:
    x = 20.0 * torch.randn(2000, generator=torch.Generator().manual_seed(seed))
    grid = snap(found)
    codes = GridQuantizer(grid).codes(x)
    assert np.array_equal(codes.numpy(), quantize(x.numpy(), grid))
    assert len(GridQuantizer(grid)(x).unique()) <= grid.levels


@pytest.mark.parametrize("signed", SignedRange)
@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_symmetric_weights_are_codes_from_zero(signed: SignedRange, bits: int) -> None:
    quantizer = SymmetricQuantizer(torch.tensor(0.7), bits, signed)
    x = torch.linspace(-1.0, 1.0, 999)
    (grid,) = quantizer.grids()
    levels = grid.lower + grid.step * quantizer.codes(x).double()
    assert torch.allclose(levels, quantizer(x).double(), rtol=0.0, atol=0.7 * 4 * ROUNDING)


def test_the_released_budget_and_too_many_levels_are_refused() -> None:
    bounds = torch.tensor(-4.0), torch.tensor(5.0), torch.tensor(1.0)
    for bits, budget in ((4, Budget.RELEASE), (8, Budget.RELEASE)):
        with pytest.raises(LoweringError, match="simulation"):
            DualRegionQuantizer(*bounds, bits, budget).grids()
    edges = torch.tensor([0.0, 1.0, 9.0])
    with pytest.raises(LoweringError, match="more levels"):
        snap(Pieces(edges[:-1], edges[1:], edges[1:-1], (128, 128)))
