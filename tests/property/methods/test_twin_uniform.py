"""Twin uniform grids: their levels, and the search against a search that quantizes with every candidate."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from intaglio.methods.twin_uniform import fit_twin, twin_grids
from intaglio.observe.distribution import Sample
from intaglio.observe.search import OneSidedMse, squared_errors
from intaglio.quant.lattice import GridQuantizer
from intaglio.spec import Grid

BITS = st.integers(2, 8)


def squared_error(values: np.ndarray, grid: Grid) -> float:
    x = torch.from_numpy(values)
    return float((GridQuantizer(grid)(x) - x).double().square().sum())


@given(BITS, st.booleans(), st.floats(0.01, 100.0))
def test_every_candidate_has_all_levels_and_reaches_its_bound(bits: int, signed: bool, high: float) -> None:
    grids = twin_grids(bits, signed, high, candidates=3)
    assert {grid.levels for grid in grids} == {1 << bits}
    assert max(grid.upper for grid in grids) == pytest.approx(high, rel=2.0**-20)
    for grid in grids:
        zero = grid.pieces[0].steps if signed else 0
        assert grid.lower + grid.step * zero == pytest.approx(0.0, abs=grid.step * 2.0**-16)
    assert (grids[0].codes == tuple(range(1 << bits))) is True  # power 0: a plain grid


@given(BITS, st.booleans(), st.integers(0, 99))
def test_the_search_finds_the_least_squared_error(bits: int, signed: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = (rng.standard_normal(300) ** 3 if signed else rng.random(300) ** 6).astype(np.float32)
    if signed:
        values = np.maximum(values, np.float32(-0.17))
    found = fit_twin(Sample(values), bits, candidates=5)
    assert found is not None
    least = min(squared_error(values, grid) for grid in twin_grids(bits, signed, float(values.max()), candidates=5))
    # single precision: a few roundings of each of 300 squares
    assert squared_error(values, found) <= least * (1.0 + 1e-4) + 1e-10


def test_attention_maps_gain_over_one_region() -> None:
    shares = torch.softmax(3.0 * torch.randn(64, 64, generator=torch.Generator().manual_seed(0)), -1).numpy().ravel()
    bounds = OneSidedMse(100)(shares, 4)
    energy = float(np.square(shares, dtype=np.float64).sum())
    one = squared_errors(Sample(shares), energy, 4, np.array([bounds.lower]), np.array([bounds.upper]))[0]
    twin = fit_twin(Sample(shares), 4, candidates=100)
    assert twin is not None
    assert squared_error(shares, twin) < one


def test_a_tensor_without_positive_values_has_no_twin() -> None:
    assert fit_twin(Sample(np.zeros(4, np.float32)), 4, candidates=3) is None
