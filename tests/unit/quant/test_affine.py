"""The affine grid on tensors: codes, levels, and gradients against autograd through a rounding of slope one."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from intaglio.errors import BoundsError, SpecError
from intaglio.quant import AffineQuantizer, affine, fused
from intaglio.spec import Bounds, Grid

EPSILON = 2.0**-23

BITS = st.integers(2, 8)
SHAPES = st.lists(st.integers(1, 7), min_size=1, max_size=4).map(tuple)
few = settings(max_examples=40, deadline=None)


@st.composite
def tensors(draw: st.DrawFn) -> tuple[Tensor, Tensor, Tensor]:
    """Values and two bounds that cut off some of them on either side, at scales from 1e-3 to 1e3."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    scale = 10.0 ** draw(st.integers(-3, 3))
    x = scale * torch.randn(draw(SHAPES), generator=generator)
    lower, upper = scale * (draw(st.floats(-2, 1))), scale * draw(st.floats(1.125, 3))
    return x, torch.tensor(lower), torch.tensor(upper)


def straight_through(x: Tensor, lower: Tensor, upper: Tensor, bits: int) -> Tensor:
    """Equation 1, the rounding replaced by itself plus a detached residue; autograd does the rest."""
    step = (upper - lower) / float(2**bits - 1)
    position = ((x - lower) * (1.0 / step)).clamp(0, 2**bits - 1)
    return (position + (position.round() - position).detach()) * step + lower


def gradients(function: object, x: Tensor, lower: Tensor, upper: Tensor, bits: int, grad: Tensor) -> list[Tensor]:
    leaves = [tensor.clone().requires_grad_() for tensor in (x, lower, upper)]
    function(*leaves, bits).backward(grad)  # type: ignore[operator]
    return [leaf.grad for leaf in leaves]


def broadcast(x: Tensor, lower: Tensor, upper: Tensor, bits: int) -> Tensor:
    return affine._Broadcast.apply(x, lower, upper, bits)


def bound_tolerance(grad: Tensor) -> float:
    """A bound's gradient sums residues of at most 1, each with a few roundings, weighted by the incoming gradient."""
    return 8 * EPSILON * float(grad.abs().sum())


@few
@given(tensors(), BITS)
def test_levels_and_gradients_are_those_of_equation_2(case: tuple[Tensor, Tensor, Tensor], bits: int) -> None:
    x, lower, upper = case
    grad = torch.randn_like(x)
    assert torch.equal(affine.fake_quantize(x, lower, upper, bits), straight_through(x, lower, upper, bits))
    ours = gradients(affine.fake_quantize, x, lower, upper, bits, grad)
    theirs = gradients(straight_through, x, lower, upper, bits, grad)
    assert torch.allclose(ours[0], theirs[0], rtol=4 * EPSILON, atol=0.0)  # times step times 1 / step
    for mine, oracle in zip(ours[1:], theirs[1:], strict=True):
        # the oracle subtracts code and position, both up to 2**bits, where ours has their difference
        assert abs(float(mine - oracle)) <= 2**bits * bound_tolerance(grad)


@pytest.mark.parametrize("native", [True, False], ids=["native", "tensors"])
def test_fused_kernels_are_the_broadcast_form(native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not native:
        monkeypatch.setattr(fused, "native", lambda: None)
    elif fused.native() is None:
        pytest.skip("the native kernels are not built")

    @few
    @given(tensors(), BITS)
    def check(case: tuple[Tensor, Tensor, Tensor], bits: int) -> None:
        x, lower, upper = case
        grad = torch.randn_like(x)
        assert torch.equal(affine.fake_quantize(x, lower, upper, bits), broadcast(x, lower, upper, bits))
        ours = gradients(affine.fake_quantize, x, lower, upper, bits, grad)
        theirs = gradients(broadcast, x, lower, upper, bits, grad)
        assert torch.equal(ours[0], theirs[0])
        for mine, oracle in zip(ours[1:], theirs[1:], strict=True):
            assert abs(float(mine - oracle)) <= 2**bits * bound_tolerance(grad)

    check()


def test_the_extension_is_used_where_it_is_built() -> None:
    """A fast path that is silently off would pass every other test."""
    from importlib.util import find_spec

    assert (fused.native() is not None) == (find_spec("intaglio.quant._fused") is not None)


def test_no_gradient_is_formed_for_inputs_that_need_none() -> None:
    bounds = [torch.tensor(value, requires_grad=True) for value in (-1.0, 1.0)]
    x = torch.randn(50)
    affine.fake_quantize(x, *bounds, 3).sum().backward()
    assert x.grad is None
    assert all(bound.grad is not None for bound in bounds)


@few
@given(tensors(), BITS)
def test_at_most_two_to_the_bits_levels_between_the_bounds(case: tuple[Tensor, Tensor, Tensor], bits: int) -> None:
    x, lower, upper = case
    levels = affine.fake_quantize(torch.cat([x.flatten(), torch.linspace(-9.0, 9.0, 600)]), lower, upper, bits)
    assert len(levels.unique()) <= 2**bits
    # the top level is lower + step * n, with two roundings
    assert levels.min() >= lower
    assert levels.max() <= upper + 2 * EPSILON * max(upper.abs(), lower.abs())


@few
@given(tensors(), BITS)
def test_levels_stay_where_they_are(case: tuple[Tensor, Tensor, Tensor], bits: int) -> None:
    x, lower, upper = case
    once = affine.fake_quantize(x, lower, upper, bits)
    assert torch.equal(affine.fake_quantize(once, lower, upper, bits), once)


@few
@given(tensors(), BITS)
def test_order_is_kept(case: tuple[Tensor, Tensor, Tensor], bits: int) -> None:
    x, lower, upper = case
    levels = affine.fake_quantize(x.flatten().sort().values, lower, upper, bits)
    assert bool((levels.diff() >= 0).all())


@few
@given(tensors(), BITS)
def test_no_value_inside_moves_further_than_half_a_step(case: tuple[Tensor, Tensor, Tensor], bits: int) -> None:
    x, lower, upper = case
    inside = x.clamp(lower, upper)
    step = (upper - lower) / (2**bits - 1)
    slack = 4 * EPSILON * max(float(lower.abs()), float(upper.abs())) * 2**bits
    assert bool(((affine.fake_quantize(inside, lower, upper, bits) - inside).abs() <= step / 2 + slack).all())


@few
@given(st.integers(0, 2**31), BITS, st.integers(1, 5))
def test_per_channel_is_per_tensor_on_every_row(seed: int, bits: int, rows: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    weight, grad = (torch.randn(rows, 3, 2, 2, generator=generator) for _ in range(2))
    bounds = [Bounds(-0.5 - 0.1 * row, 0.25 + row) for row in range(rows)]
    whole = AffineQuantizer.per_channel(bounds, bits, dims=4)
    levels = whole(weight)
    levels.backward(grad)
    for row in range(rows):
        single = AffineQuantizer.from_bounds(bounds[row], bits)
        assert torch.equal(single(weight[row]), levels[row])
        single(weight[row]).backward(grad[row])
        tolerance = 2**bits * bound_tolerance(grad[row])
        assert abs(float(single.lower.grad - whole.lower.grad[row].squeeze())) <= tolerance
        assert abs(float(single.upper.grad - whole.upper.grad[row].squeeze())) <= tolerance


@few
@given(tensors(), BITS)
def test_codes_and_grids_are_those_of_the_forward_pass(case: tuple[Tensor, Tensor, Tensor], bits: int) -> None:
    x, lower, upper = case
    quantizer = AffineQuantizer(lower, upper, bits)
    codes, (grid,) = quantizer.codes(x), quantizer.grids()
    assert codes.dtype == torch.uint8
    assert codes.shape == x.shape
    assert int(codes.max()) <= grid.top == 2**bits - 1
    assert torch.equal(codes.float() * grid.step + grid.lower, quantizer(x))
    once = Grid.from_bounds(Bounds(float(lower), float(upper)), bits)
    assert (grid.lower, grid.bits) == (once.lower, once.bits)
    # tensors round the difference and the quotient, `from_bounds` only the result
    assert grid.step == pytest.approx(once.step, rel=2 * EPSILON)


@pytest.mark.parametrize(("lower", "upper"), [(1.0, 1.0), (2.0, -3.0), (1e6, 1e6), (0.0, 0.0)])
def test_collapsed_bounds_keep_a_grid(lower: float, upper: float) -> None:
    """Learning may cross the bounds; the range then has a floor and nothing becomes NaN."""
    quantizer = AffineQuantizer(torch.tensor(lower), torch.tensor(upper), bits=4)
    x = torch.linspace(-4.0, 4.0, 33).requires_grad_()
    levels = quantizer(x)
    levels.sum().backward()
    assert bool(levels.isfinite().all())
    assert quantizer.grids()[0].step > 0
    assert all(bool(leaf.grad.isfinite().all()) for leaf in (x, quantizer.lower, quantizer.upper))


def test_rounding_is_half_to_even() -> None:
    halves = torch.tensor([0.5, 1.5, 2.5, 3.5])
    assert affine.encode(halves, torch.tensor(0.0), torch.tensor(15.0), 4).tolist() == [0.0, 2.0, 2.0, 4.0]


@pytest.mark.parametrize("bits", [1, 9, 0, True])
def test_other_widths_are_refused(bits: int) -> None:
    with pytest.raises(SpecError, match="2 to 8 bits"):
        AffineQuantizer(torch.tensor(0.0), torch.tensor(1.0), bits)


def test_bounds_of_unequal_shapes_are_refused() -> None:
    with pytest.raises(BoundsError, match="give equal ones"):
        AffineQuantizer(torch.zeros(3, 1), torch.tensor(1.0), bits=4)
