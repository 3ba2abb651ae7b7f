"""Bound searches against their definitions: every candidate tried on every value."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intaglio.errors import CalibrationError, SpecError
from intaglio.observe import DistributionSearch, FreeMse, MinMax, OneSidedMse, Percentile, TwoSidedMse
from intaglio.observe.distribution import Sample
from intaglio.observe.search import squared_errors
from intaglio.spec import Bounds

BITS = st.integers(2, 8)
EVERY_SEARCH: tuple[DistributionSearch, ...] = (
    MinMax(), Percentile(1.0), TwoSidedMse(20), OneSidedMse(20), FreeMse(10, 3)
)  # fmt: skip
few = settings(max_examples=40, deadline=None)


@st.composite
def values(draw: st.DrawFn) -> np.ndarray:
    """Tensors of the kinds that networks have: bell, softmax-like, few distinct values, with an outlier."""
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    count, scale = draw(st.integers(1, 400)), 10.0 ** draw(st.integers(-3, 3))
    kind = draw(st.sampled_from(("bell", "one-sided", "few", "outlier")))
    x = rng.standard_normal(count)
    if kind == "one-sided":
        x = np.exp(3 * x)
    elif kind == "few":
        x = np.round(2 * x)
    elif kind == "outlier":
        x[0] = 50.0
    return (scale * x).astype(np.float32)


def candidates(search: TwoSidedMse | OneSidedMse, x: np.ndarray) -> list[tuple[float, float]]:
    """Algorithm 1 of 2DQuant, one line after the other."""
    low, high, k = float(x.min()), float(x.max()), search.candidates
    if isinstance(search, TwoSidedMse):
        return [(low + i * (high - low) / (2 * k), high - i * (high - low) / (2 * k)) for i in range(k)]
    return [(low, high - i * (high - low) / k) for i in range(k)]


def brute_force_error(x: np.ndarray, lower: float, upper: float, bits: int) -> float:
    """Quantize every value in double precision and sum the squares."""
    step = (upper - lower) / (2**bits - 1)
    codes = np.rint((np.clip(x.astype(np.float64), lower, upper) - lower) / step)
    return float(np.square(x - (lower + step * codes)).sum())


def tolerance(x: np.ndarray) -> float:
    """A value within single-precision rounding of a threshold may go to the other of two levels: 2 step |x| 2**-24
    each, a step being at most a third of the range; and sums of squares cancel to double precision."""
    reach = float(np.abs(x).max())
    return len(x) * (2 * reach * 2 * reach * 2.0**-24)


@few
@given(values(), BITS, st.sampled_from((TwoSidedMse, OneSidedMse)))
def test_search_finds_the_least_error_of_all_candidates(
    x: np.ndarray, bits: int, kind: type[TwoSidedMse] | type[OneSidedMse]
) -> None:
    search = kind(25)
    found = search(x, bits)
    if x.min() == x.max():
        assert found.lower == x[0]
        return
    grid = candidates(search, x)
    nearest = min(grid, key=lambda pair: abs(pair[0] - found.lower) + abs(pair[1] - found.upper))
    assert (found.lower, found.upper) == pytest.approx(nearest, rel=1e-12)
    errors = [brute_force_error(x, lower, upper, bits) for lower, upper in grid]
    assert brute_force_error(x, found.lower, found.upper, bits) <= min(errors) + tolerance(x)


@few
@given(values(), BITS)
def test_errors_of_all_candidates_are_those_of_quantizing_every_value(x: np.ndarray, bits: int) -> None:
    if x.min() == x.max():
        return
    lower, upper = (np.array(bound) for bound in zip(*candidates(TwoSidedMse(10), x), strict=True))
    ours = squared_errors(Sample(x), float(np.square(x, dtype=np.float64).sum()), bits, lower, upper)
    theirs = [brute_force_error(x, low, high, bits) for low, high in zip(lower, upper, strict=True)]
    assert np.abs(ours - theirs).max() <= tolerance(x)


def test_of_equal_errors_the_first_wins() -> None:
    """Two values at 4 levels: unclipped they are exact, and so are no later candidates; a `<=` would prefer one."""
    x = np.array([-1.0, 1.0], dtype=np.float32)
    assert TwoSidedMse(4)(x, bits=2) == Bounds(-1.0, 1.0)
    assert OneSidedMse(4)(x, bits=2) == Bounds(-1.0, 1.0)


@few
@given(values(), BITS, st.sampled_from((TwoSidedMse, OneSidedMse)))
def test_the_first_candidate_is_min_max(x: np.ndarray, bits: int, kind: type[TwoSidedMse] | type[OneSidedMse]) -> None:
    assert kind(1)(x, bits) == MinMax()(x, bits)


@few
@given(values(), BITS)
def test_one_sided_keeps_the_minimum(x: np.ndarray, bits: int) -> None:
    found = OneSidedMse(30)(x, bits)
    assert found.lower == float(x.min())
    assert found.upper <= MinMax()(x, bits).upper


@few
@given(values(), BITS)
def test_order_of_values_does_not_matter_and_none_is_changed(x: np.ndarray, bits: int) -> None:
    kept = x.copy()
    for search in EVERY_SEARCH:
        assert search(x, bits) == search(x[::-1].copy(), bits)
    assert np.array_equal(x, kept)


@few
@given(values(), st.sampled_from((0.0, 0.1, 1.0, 10.0, 49.0)))
def test_percentile_is_that_of_numpy(x: np.ndarray, tail: float) -> None:
    low, high = np.percentile(x.astype(np.float64), [tail, 100.0 - tail])
    found = Percentile(tail)(x, bits=4)
    reach = float(np.abs(x).max())
    assert found.lower == pytest.approx(low, abs=1e-12 * reach)
    assert found.upper == pytest.approx(max(high, low + 1e-6 * max(1.0, abs(low), abs(high))), abs=1e-12 * reach)


@pytest.mark.parametrize("search", EVERY_SEARCH, ids=lambda search: type(search).__name__)
@pytest.mark.parametrize("constant", [0.0, -3.5, 1e-9, 2e5])
@pytest.mark.parametrize("count", [1, 1000])
def test_constants_stay_exactly_representable(search: DistributionSearch, constant: float, count: int) -> None:
    x = np.full(count, constant, dtype=np.float32)
    found = search(x, bits=4)
    assert found.lower == float(x[0])
    assert found.upper > found.lower


@pytest.mark.parametrize("search", EVERY_SEARCH, ids=lambda search: type(search).__name__)
@pytest.mark.parametrize("wrong", [[], [1.0, float("nan")], [float("inf"), 0.0]], ids=["empty", "NaN", "infinite"])
def test_nothing_to_search_is_an_error_with_a_remedy(search: DistributionSearch, wrong: list[float]) -> None:
    with pytest.raises(CalibrationError, match="check the calibration pictures and the checkpoint"):
        search(np.array(wrong, dtype=np.float32), bits=4)


@pytest.mark.parametrize("tail", [-0.1, 50.0, 99.0])
def test_tails_that_leave_nothing_are_refused(tail: float) -> None:
    with pytest.raises(SpecError, match="choose 0 to below 50"):
        Percentile(tail)


@few
@given(values(), BITS)
def test_free_bounds_err_no_more_than_any_pair_and_any_other_search(x: np.ndarray, bits: int) -> None:
    """Every coarse pair, and what the other searches find, tried on every value."""
    search, low, high = FreeMse(candidates=6, finer=2), float(x.min()), float(x.max())
    if low == high:
        return
    found = search(x, bits)
    if Sample(x).zero_share >= search.zero_share:
        return
    slack = tolerance(x)
    coarse = [(low + i * (high - low) / 6, high - j * (high - low) / 6) for i in range(6) for j in range(6 - i)]
    error = brute_force_error(x, found.lower, found.upper, bits)
    assert error <= min(brute_force_error(x, *pair, bits) for pair in coarse) + slack
    for other in (MinMax(), TwoSidedMse(6), OneSidedMse(6)):
        theirs = other(x, bits)
        assert error <= brute_force_error(x, theirs.lower, theirs.upper, bits) + slack


def test_free_bounds_follow_a_skewed_tensor_where_lockstep_cannot() -> None:
    """The sum of two GELUs of wide inputs: bounded at -0.34, a long tail above; lockstep loses what is near zero."""
    rng = np.random.default_rng(0)
    z = rng.standard_normal(20_000)
    x = np.maximum(z * np.abs(z), -0.34).astype(np.float32)
    free, lockstep = FreeMse()(x, 4), TwoSidedMse()(x, 4)
    assert free.lower < lockstep.lower - 0.1
    errors = [brute_force_error(x, one.lower, one.upper, 4) for one in (free, lockstep)]
    assert errors[0] < 0.7 * errors[1]


@few
@given(st.integers(0, 10_000), BITS)
def test_zero_is_a_level_where_it_is_frequent(seed: int, bits: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(300).astype(np.float32)
    x[:200] = 0.0
    found = FreeMse(12, 2)(x, bits)
    step = (found.upper - found.lower) / (2**bits - 1)
    codes = -found.lower / step
    assert codes == pytest.approx(round(codes), abs=1e-9)
