"""The dual-region and the symmetric grid: budgets, idempotence, gradients, and every order of bounds and breakpoint."""

from __future__ import annotations

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from intaglio.quant import piecewise
from intaglio.quant.dual_region import Budget, DualRegionQuantizer, pieces_of
from intaglio.quant.symmetric import SignedRange, SymmetricQuantizer

BITS = st.integers(2, 8)
BOUND = st.floats(-20.0, 20.0, width=32)
SPLIT = st.floats(-5.0, 25.0, width=32)


def values(seed: int, count: int = 4000) -> Tensor:
    """Heavy tails, so that every piece sees some."""
    generator = torch.Generator().manual_seed(seed)
    return 3.0 * torch.randn(count, generator=generator) ** 3


def quantizer(lower: float, upper: float, split: float, bits: int, budget: Budget) -> DualRegionQuantizer:
    return DualRegionQuantizer(torch.tensor(lower), torch.tensor(upper), torch.tensor(split), bits, budget)


@settings(deadline=None, max_examples=50)
@given(lower=BOUND, upper=BOUND, split=SPLIT, bits=BITS, seed=st.integers(0, 99))
@example(lower=-9.0, upper=9.0, split=1.0, bits=2, seed=0)
@example(lower=0.0, upper=9.0, split=1.0, bits=2, seed=0)
@example(lower=-9.0, upper=-3.0, split=-4.0, bits=3, seed=0)
@example(lower=3.0, upper=9.0, split=1.0, bits=3, seed=0)
@example(lower=0.0, upper=0.0, split=0.0, bits=4, seed=0)
def test_budgets_hold_for_all_arguments(lower: float, upper: float, split: float, bits: int, seed: int) -> None:
    x = torch.cat([values(seed), torch.tensor([lower, upper, split, -split, 0.0])])
    for budget, most in ((Budget.EXACT, 2**bits), (Budget.RELEASE, 2 ** (bits + 1))):
        site = quantizer(lower, upper, split, bits, budget)
        out = site(x)
        assert torch.isfinite(out).all()
        assert len(out.unique()) <= most
        assert len(site.codes(x).unique()) <= most
        assert len(site.pieces().levels()) == (most if budget is Budget.EXACT or _tails(site) else 2**bits)


def _tails(site: DualRegionQuantizer) -> bool:
    return len(site.pieces().steps) > 1


@settings(deadline=None, max_examples=50)
@given(lower=BOUND, upper=BOUND, split=SPLIT, bits=BITS, seed=st.integers(0, 99))
def test_exact_grid_is_idempotent_and_monotone(lower: float, upper: float, split: float, bits: int, seed: int) -> None:
    site = quantizer(lower, upper, split, bits, Budget.EXACT)
    x = values(seed).sort().values
    once = site(x)
    assert torch.equal(site(once), once)
    assert (once.diff() >= 0).all()


def test_two_bits_have_the_bounds_and_the_breakpoints() -> None:
    site = quantizer(-8.0, 10.0, 2.0, 2, Budget.EXACT)
    assert site.pieces().levels().tolist() == [-8.0, -2.0, 2.0, 10.0]


def test_one_sided_grid_is_dense_up_to_the_breakpoint() -> None:
    levels = quantizer(0.0, 9.0, 1.0, 3, Budget.EXACT).pieces().levels()
    torch.testing.assert_close(levels, torch.tensor([0.0, 1 / 3, 2 / 3, 1.0, 3.0, 5.0, 7.0, 9.0]))


def test_released_dense_grid_lies_half_a_step_low() -> None:
    """d = 2 bp / (2^b - 1), codes -2^(b-1) .. 2^(b-1) - 1 and no offset: the breakpoint itself is no level."""
    split, bits = 1.5, 2
    levels = quantizer(-4.0, 4.0, split, bits, Budget.RELEASE).pieces().levels()
    step = 2 * split / 3
    torch.testing.assert_close(levels, torch.tensor([-4.0, -1.5, -2 * step, -step, 0.0, step, 1.5, 4.0]))


def straight_through(x: Tensor) -> Tensor:
    return x + (x.round() - x).detach()


def paper_formula(x: Tensor, lower: Tensor, upper: Tensor, split: Tensor, bits: int) -> Tensor:
    """The exact grid of docs/methods/oaq.md, in plain differentiable operations."""
    clipped = torch.maximum(torch.minimum(x, upper), lower)
    two_sided = bool(lower < -split)
    dense_levels = 2 ** (bits - 1)
    tail = 2 ** (bits - 2) if two_sided else 2 ** (bits - 1)
    start = -split if two_sided else lower
    step = (split - start) / (dense_levels - 1)
    dense = start + step * straight_through((clipped - start) / step)
    rise = (upper - split) / tail
    high = split + rise * straight_through((clipped - split) / rise)
    out = torch.where(clipped > split, high, dense)
    if two_sided:
        fall = (-split - lower) / tail
        low = -split - fall * straight_through((-split - clipped) / fall)
        out = torch.where(clipped < -split, low, out)
    return out


@settings(deadline=None, max_examples=50)
@given(
    lower=st.floats(-20.0, 0.4),
    split=st.floats(0.5, 4.0),
    above=st.floats(0.1, 20.0),
    bits=BITS,
    seed=st.integers(0, 99),
)
def test_gradients_are_those_of_the_formula_with_a_straight_through_round(
    lower: float, split: float, above: float, bits: int, seed: int
) -> None:
    x = values(seed, 500).double()
    weights = torch.randn(500, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    found, wanted = [], []
    for function, gradients in ((paper_formula, wanted), (None, found)):
        arguments = [torch.tensor(v, dtype=torch.float64) for v in (lower, split + above, split)]
        inputs = [x.clone(), *arguments]
        for tensor in inputs:
            tensor.requires_grad_(True)
        if function is None:
            out = piecewise.fake_quantize(inputs[0], pieces_of(*inputs[1:], bits, Budget.EXACT))
        else:
            out = function(*inputs, bits)
        (out * weights).sum().backward()
        gradients += [out.detach(), *(tensor.grad for tensor in inputs)]
    for ours, theirs in zip(found, wanted, strict=True):
        # Double precision; sums over 500 terms of at most 2^8 / 0.1 each.
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def test_gradients_are_those_of_the_published_table() -> None:
    lower, upper, split = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (-6.0, 10.0, 2.0))
    n2 = 4
    for value, wanted in (
        (0.3, lambda q: ((q - 0.3) / 2.0, 0.0, 0.0)),
        (5.1, lambda q: ((v := 3.1 / 8) - (j := (q - 2) / 8), j - v, 0.0)),
        (-3.3, lambda q: ((k := (-2 - q) / 4) - (v := 1.3 / 4), 0.0, k - v)),
        (11.0, lambda q: (0.0, 1.0, 0.0)),
        (-7.0, lambda q: (0.0, 0.0, 1.0)),
    ):
        out = piecewise.fake_quantize(
            torch.tensor([value], dtype=torch.float64), pieces_of(lower, upper, split, 4, Budget.EXACT)
        )
        found = torch.autograd.grad(out.sum(), (split, upper, lower))
        expected = torch.tensor(wanted(out.item()), dtype=torch.float64)
        torch.testing.assert_close(torch.stack(found), expected, rtol=0, atol=1e-12)
    assert pieces_of(lower, upper, split, 4, Budget.EXACT).steps == (n2, 7, n2)


@pytest.mark.parametrize("signed", list(SignedRange))
@pytest.mark.parametrize("bits", range(2, 9))
def test_symmetric_grid_has_its_levels_and_is_idempotent(signed: SignedRange, bits: int) -> None:
    site = SymmetricQuantizer(torch.tensor(1.7), bits, signed)
    x = values(bits)
    out = site(x)
    assert len(out.unique()) <= 2**bits - (signed is SignedRange.NARROW)
    assert torch.equal(site(out), out)
    # Levels mirror each other to the rounding of their interpolation: two levels, each a product of at most 3.4 and a
    # sum of at most 1.7, rounded by half of the last place, whose size depends on the order that torch takes.
    levels = site.pieces().levels()
    torch.testing.assert_close(levels.flip(0), -levels, rtol=0, atol=(3.4 + 1.7) * torch.finfo(torch.float32).eps)
    assert (site(torch.zeros(1)).item() == 0.0) == (signed is SignedRange.NARROW)


def test_gradient_of_the_symmetric_bound() -> None:
    site = SymmetricQuantizer(torch.tensor(2.0), 3, SignedRange.NARROW)
    site(torch.tensor([-9.0, 5.0, 0.9])).sum().backward()
    # -1 below, 1 above, and the residue (x_q - x) / bound inside.
    assert site.bound.grad is not None
    assert site.bound.grad.item() == pytest.approx(-1.0 + 1.0 + (2 / 3 - 0.9) / 2.0)
