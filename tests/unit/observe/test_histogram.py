"""Histograms against all values in order: exact ends, errors within the proven bound, whatever the parts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from intaglio.errors import CalibrationError
from intaglio.observe import FreeMse, MinMax, OneSidedMse, Percentile, TwoSidedMse
from intaglio.observe.distribution import Sample
from intaglio.observe.histogram import BINS, Histogram
from intaglio.observe.search import _levels
from intaglio.quant import fused

few = settings(max_examples=30, deadline=None)


@st.composite
def parts(draw: st.DrawFn) -> list[np.ndarray]:
    """Parts of a tensor, each wider or elsewhere than those before it."""
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    kind = draw(st.sampled_from(("bell", "one-sided", "few", "far", "grows")))
    scale = 10.0 ** draw(st.integers(-4, 4))
    found = []
    for index in range(draw(st.integers(1, 4))):
        x = rng.standard_normal(draw(st.integers(1, 300)))
        x = {"one-sided": np.exp(3 * x), "few": np.round(2 * x), "far": x + 1e3, "grows": x * 30.0**index}.get(kind, x)
        found.append((scale * x).astype(np.float32))
    return found


def histogram_of(tensors: list[np.ndarray]) -> Histogram:
    found = Histogram()
    for x in tensors:
        found.add(torch.from_numpy(x))
    return found


@few
@given(parts(), st.integers(2, 8))
def test_errors_lie_above_the_exact_ones_by_no_more_than_the_bound(tensors: list[np.ndarray], bits: int) -> None:
    x, found = np.concatenate(tensors), histogram_of(tensors)
    exact = Sample(x)
    assert (found.low, found.high, found.zero_share) == (exact.low, exact.high, pytest.approx(exact.zero_share))
    if exact.low == exact.high:
        return
    levels = _levels(bits, *TwoSidedMse(7).grid(exact.low, exact.high))
    above = found.errors_of_levels(levels) - exact.errors_of_levels(levels)
    # double precision cancels over len(x) squares; the exact side rounds its thresholds to single precision
    slack = len(x) * (2 * np.abs(x).max()) ** 2 * 2.0**-24
    thresholds = (levels[:, 1:] + levels[:, :-1]) / 2.0
    near = (np.abs(x[:, None, None] - thresholds) <= found.width / 2).sum((0, 2))
    assert (above >= -slack).all()
    assert (above <= np.diff(levels, axis=1)[:, 0] * found.width * near + slack).all()
    span = max(exact.high - exact.low, 2.0**-20 * np.abs(x).max())
    assert found.width <= 2.0 * span / (BINS - 1)


@few
@given(parts(), st.integers(2, 8))
def test_searches_choose_bounds_whose_error_is_the_least_within_the_bound(tensors: list[np.ndarray], bits: int) -> None:
    x, found = np.concatenate(tensors), histogram_of(tensors)
    exact = Sample(x)
    slack = len(x) * (2 * np.abs(x).max()) ** 2 * 2.0**-24
    for search in (TwoSidedMse(20), OneSidedMse(20), FreeMse(8, 2)):
        ours, theirs = search.fit(found, bits), search(x, bits)
        if exact.low == exact.high:
            assert ours == theirs
            continue
        pairs = np.array([[one.lower, one.upper] for one in (ours, theirs)]).T
        errors = exact.errors_of_levels(_levels(bits, *pairs))
        step = (theirs.upper - theirs.lower) / (2**bits - 1)
        # what the histogram may add to the error of theirs, and no less than that of ours
        assert errors[0] <= errors[1] + step * found.width * len(x) + slack
    assert MinMax().fit(found, bits) == MinMax()(x, bits)


@few
@given(parts(), st.sampled_from((0.0, 0.1, 5.0, 30.0)))
def test_percentiles_lie_within_a_bin_of_two_neighbours(tensors: list[np.ndarray], tail: float) -> None:
    x, found = np.sort(np.concatenate(tensors)), histogram_of(tensors)
    ours = Percentile(tail).fit(found, 4)
    position = len(x) * tail / 100.0
    first, last = max(int(np.floor(position)) - 1, 0), min(int(np.ceil(position)) + 1, len(x) - 1)
    assert x[first] - found.width <= ours.lower <= x[last] + found.width


@few
@given(parts())
def test_kernel_and_numpy_count_alike(tensors: list[np.ndarray]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("intaglio.observe.histogram.native", lambda: None)
        plain = histogram_of(tensors)
    ours = histogram_of(tensors)
    assert np.array_equal(ours._bins[:, 1], plain._bins[:, 1])
    assert np.allclose(ours._bins[:, 0], plain._bins[:, 0], rtol=1e-12, atol=0.0)


@pytest.mark.skipif(fused.native() is None, reason="the native kernels are not built")
def test_large_tensors_are_counted_by_several_threads() -> None:
    x = torch.randn(200_000, generator=torch.Generator().manual_seed(0))
    found = Histogram.of(x.view(400, 500).T)  # not contiguous
    assert found._bins[:, 1].sum() == 200_000
    assert found._bins[:, 0].sum() == pytest.approx(float(x.double().sum()))


@pytest.mark.parametrize("wrong", [[], [1.0, float("nan")], [float("inf"), 0.0]], ids=["empty", "NaN", "infinite"])
def test_nothing_to_count_is_an_error_with_a_remedy(wrong: list[float]) -> None:
    with pytest.raises(CalibrationError, match="check the calibration pictures and the checkpoint"):
        Histogram.of(torch.tensor(wrong))
    with pytest.raises(CalibrationError, match="saw no values"):
        _ = Histogram().low
