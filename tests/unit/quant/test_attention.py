"""Attention as one operation against the plain composition in double precision, and where it stands aside."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from intaglio.arch.layers import Attention
from intaglio.quant import AffineQuantizer, Quantizer, attention, fused
from intaglio.quant.attention import QuantAttention, attend
from intaglio.quant.layers import QuantMatMul
from intaglio.spec import Bounds

EPSILON = 2.0**-23
BOUNDS = (Bounds(-0.3, 0.375), Bounds(-1.5, 1.0), Bounds(0.02, 0.5), Bounds(-2.0, 1.0))
"""Of q, k, shares and v; each cuts off values on either side."""
SITES = ("scores a", "scores b", "context a", "context b")

needs_native = pytest.mark.skipif(fused.native() is None, reason="the native kernels are not built")


@dataclass(frozen=True)
class Case:
    """Operands as a network has them, (windows, tokens, 3, heads, channels), and the incoming gradient."""

    qkv: Tensor
    bias: Tensor
    grad: Tensor
    bits: tuple[int, ...]

    @property
    def operands(self) -> list[Tensor]:
        """q, k and v, each (windows, heads, tokens, channels)."""
        return [part.transpose(1, 2) for part in self.qkv.unbind(2)]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    heads, tokens, channels, maps = (draw(st.integers(1, top)) for top in (3, 19, 18, 2))
    windows = maps * draw(st.integers(1, 2))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    qkv = torch.randn(windows, tokens, 3, heads, channels, generator=generator)
    qkv[:, :, 0] *= 0.3  # queries come scaled
    bias = torch.randn(maps, heads, tokens, tokens, generator=generator)
    if draw(st.booleans()):
        bias[:, :, : tokens // 2, tokens // 2 :] -= 100.0  # as between strangers in a shifted window
    grad = torch.randn(windows, heads, tokens, channels, generator=generator)
    q, k, v = (draw(st.integers(2, 8)) for _ in range(3))
    return Case(qkv, bias, grad, (q, k, draw(st.integers(2, 5)), v))


def products(bits: Sequence[int]) -> tuple[QuantMatMul, QuantMatMul]:
    scores, context = QuantMatMul(), QuantMatMul()
    quantizers = [AffineQuantizer.from_bounds(pair, width) for pair, width in zip(BOUNDS, bits, strict=True)]
    for product, pair in ((scores, quantizers[:2]), (context, quantizers[2:])):
        for role, quantizer in zip("ab", pair, strict=True):
            product.set_site(role, quantizer)
    return scores, context


def sites_of(scores: QuantMatMul, context: QuantMatMul) -> list[AffineQuantizer]:
    return [product.site(role) for product in (scores, context) for role in "ab"]  # type: ignore[misc]


class Oracle:
    """The plain composition in double precision: values, gradients, and what bounds the rounding of either.

    `score_growth` counts roundings of a score, absolute, which are those of its share, relative; `growth` those on the
    longest way to a result, with the sums over tokens and channels. Beside each result stands its sum of magnitudes,
    which is the same composition of absolute values.
    """

    def __init__(self, case: Case) -> None:
        self.bounds = [torch.tensor(x, dtype=torch.float64) for pair in BOUNDS for x in (pair.lower, pair.upper)]
        for bound in self.bounds:
            bound.requires_grad_()
        self.operands = [x.double().detach().requires_grad_() for x in case.operands]
        self.grids = list(zip(self.bounds[::2], self.bounds[1::2], case.bits, strict=True))
        q, k, v = (self.level(x, site) for x, site in zip(self.operands, (0, 1, 3), strict=True))
        bias = case.bias.double().repeat(len(q) // len(case.bias), 1, 1, 1)
        self.shares = (q @ k.transpose(-2, -1) + bias).softmax(-1)
        levels = self.level(self.shares, 2)
        self.out = levels @ v
        self.out.backward(case.grad.double())
        tokens, channels = q.shape[-2:]
        # Scores at -100 have no share that could err.
        largest = float((q.detach().abs() @ k.detach().abs().transpose(-2, -1)).max() + bias[bias > -50].abs().max())
        self.score_growth = (channels + 3) * largest + 8
        self.growth = tokens + channels + 16 + 2 * self.score_growth
        self._magnitudes(case, q, k, v, levels)

    def level(self, x: Tensor, site: int) -> Tensor:
        lower, upper, bits = self.grids[site]
        step = (upper - lower) / (2**bits - 1)
        position = ((x - lower) / step).clamp(0, 2**bits - 1)
        return (position + (position.round() - position).detach()) * step + lower

    def _magnitudes(self, case: Case, *tensors: Tensor) -> None:
        q, k, v, levels = (x.detach().abs() for x in tensors)
        grad, shares = case.grad.double().abs(), self.shares.detach()
        of_levels = grad @ v.transpose(-2, -1)
        of_scores = shares * (of_levels + (shares * of_levels).sum(-1, keepdim=True))
        of_operands = [of_scores @ k, of_scores.transpose(-2, -1) @ q, levels.transpose(-2, -1) @ grad]
        self.out_magnitude = levels @ v
        self.operand_magnitudes = of_operands
        self.bound_magnitudes = [float(x.sum()) for x in (*of_operands[:2], of_levels, of_operands[2])]

    def is_clear(self) -> bool:
        """Whether no value is so near to a threshold or a bound that rounding may carry it over."""
        values = [x.detach() for x in (*self.operands[:2], self.shares, self.operands[2])]
        growths = (4.0, 4.0, self.score_growth, 4.0)
        for x, growth, (lower, upper, bits) in zip(values, growths, self.grids, strict=True):
            step = (upper - lower).detach() / (2**bits - 1)
            position = (x - lower.detach()) / step
            slack = growth * EPSILON * (x.abs() / step + 2**bits)
            inside = (position > 0) & (position < 2**bits - 1)
            gaps = [(position - position.floor() - 0.5).abs().where(inside, 1.0), position, position - (2**bits - 1)]
            if any(bool((gap.abs() <= slack).any()) for gap in gaps):
                return False
        return True


@needs_native
@settings(max_examples=60, deadline=None)
@given(cases())
def test_values_and_gradients_are_those_of_the_plain_composition(case: Case) -> None:
    oracle = Oracle(case)
    assume(oracle.is_clear())
    qkv = case.qkv.clone().requires_grad_()
    sites = sites_of(*products(case.bits))
    out = attend(*(part.transpose(1, 2) for part in qkv.unbind(2)), case.bias, sites)
    out.backward(case.grad)
    allowed = oracle.growth * EPSILON
    assert bool(((out - oracle.out).abs() <= allowed * oracle.out_magnitude).all())
    for index, (operand, magnitude) in enumerate(zip(oracle.operands, oracle.operand_magnitudes, strict=True)):
        found = qkv.grad[:, :, index].transpose(1, 2)
        assert bool(((found - operand.grad).abs() <= allowed * magnitude).all())
    # Sums over a head run in single precision, and a residue of a share is one of the share over the range of 0.48.
    allowed *= 3 * case.bias.shape[-1]
    bounds = [bound for site in sites for bound in (site.lower, site.upper)]
    for index, (bound, theirs) in enumerate(zip(bounds, oracle.bounds, strict=True)):
        assert abs(float(bound.grad) - float(theirs.grad)) <= allowed * oracle.bound_magnitudes[index // 2]


def raw(case: Case, isa: str, threads: int) -> list[Tensor]:
    """Output, gradients of q, k and v, and gradients of bounds by one instruction set."""
    kernel = fused.native()
    assert kernel is not None
    grids = fused.grids([x for pair in BOUNDS for x in (pair.lower, pair.upper)], case.bits)
    found = [torch.zeros_like(case.grad) for _ in range(4)]
    inputs = [x.numpy() for x in (*case.operands, case.bias)]
    kernel.attend(*inputs, grids, found[0].numpy(), threads, isa)
    sums = kernel.attend_backward(case.grad.numpy(), *inputs, grids, *(x.numpy() for x in found[1:]), threads, isa)
    return [*found, torch.tensor(sums, dtype=torch.float64)]


@needs_native
@settings(max_examples=30, deadline=None)
@given(cases())
def test_every_instruction_set_computes_the_same(case: Case) -> None:
    oracle = Oracle(case)
    assume(oracle.is_clear())
    magnitudes = [oracle.out_magnitude, *oracle.operand_magnitudes]
    kernel = fused.native()
    assert kernel is not None
    first, *others = [raw(case, isa, threads=1) for isa in kernel.instruction_sets()]
    for other in others:
        for one, two, magnitude in zip(first[:4], other[:4], magnitudes, strict=True):
            assert bool(((one - two).abs() <= 2 * oracle.growth * EPSILON * magnitude).all())
        allowed = 6 * case.bias.shape[-1] * oracle.growth * EPSILON * torch.tensor(oracle.bound_magnitudes)[:, None]
        assert bool(((first[4] - other[4]).abs() <= allowed).all())


@needs_native
@settings(max_examples=20, deadline=None)
@given(cases(), st.integers(2, 5))
def test_the_number_of_threads_changes_nothing(case: Case, threads: int) -> None:
    for one, other in zip(raw(case, "", threads=1), raw(case, "", threads=threads), strict=True):
        assert torch.equal(one, other)


@needs_native
def test_kernels_run_on_the_threads_of_torch() -> None:
    """One thread instead of all would pass every other test."""
    kernel = fused.native()
    assert kernel is not None
    assert kernel.has_team() or sys.platform != "linux" or "OpenMP" not in torch.__config__.parallel_info()


@needs_native
def test_no_share_is_kept_for_the_backward_pass() -> None:
    q = torch.randn(2, 3, 64, 10).requires_grad_()
    kept: list[int] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x.numel()) or x, lambda x: x):
        attend(q, q, q, torch.zeros(1, 3, 64, 64), sites_of(*products((4,) * 4)))
    assert sum(kept) == 3 * q.numel() + 3 * 64 * 64


def fuses(module: QuantAttention, scores: nn.Module, context: nn.Module, q: Tensor, bias: Tensor) -> bool:
    """Whether an attention of q by itself was computed as one operation."""
    out = module(scores, context, q, q, q, bias)
    return type(out.grad_fn).__name__ == "_AttentionBackward"


class Doubled(AffineQuantizer):
    def forward(self, x: Tensor) -> Tensor:
        return 2.0 * super().forward(x)


def exchange(site: str, quantizer: Quantizer) -> tuple[QuantMatMul, QuantMatMul]:
    scores, context = products((4,) * 4)
    product, role = site.split()
    {"scores": scores, "context": context}[product].set_site(role, quantizer)
    return scores, context


Q = torch.randn(2, 3, 8, 4)
BIAS = torch.zeros(1, 3, 8, 8)


@needs_native
def test_it_fuses_where_something_learns() -> None:
    module, pair = QuantAttention(Attention()), products((4,) * 4)
    assert fuses(module, *pair, Q.clone().requires_grad_(), BIAS)
    assert fuses(module, *pair, Q, BIAS)  # the bounds learn
    with torch.no_grad():
        assert not fuses(module, *pair, Q, BIAS)
    for parameter in (*pair[0].parameters(), *pair[1].parameters()):
        parameter.requires_grad_(False)
    assert not fuses(module, *pair, Q, BIAS)


def test_it_stands_aside_for_a_learned_bias_other_types_and_missing_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    module, pair = QuantAttention(Attention()), products((4,) * 4)
    assert not fuses(module, *pair, Q, BIAS.clone().requires_grad_())
    assert not fuses(module, *pair, Q.double(), BIAS.double())
    monkeypatch.setattr(fused, "native", lambda: None)
    assert not fuses(module, *pair, Q, BIAS)


@pytest.mark.parametrize("site", SITES)
def test_it_stands_aside_for_other_quantizers(site: str) -> None:
    module = QuantAttention(Attention())
    rows = AffineQuantizer.per_channel([Bounds(-1.0, 1.0)] * 3, bits=4, dims=3)
    for quantizer in (Doubled(torch.tensor(-1.0), torch.tensor(1.0), 4), rows):
        assert not fuses(module, *exchange(site, quantizer), Q, BIAS)


@pytest.mark.parametrize("site", SITES)
def test_whoever_listens_at_a_site_hears_it(site: str) -> None:
    module, (scores, context) = QuantAttention(Attention()), products((4,) * 4)
    product, role = site.split()
    heard: list[Tensor] = []
    listened = {"scores": scores, "context": context}[product]
    handle = listened.site(role).register_forward_pre_hook(lambda _module, args: heard.append(args[0]))
    assert not fuses(module, scores, context, Q, BIAS)
    handle.remove()
    handle = listened.register_forward_hook(lambda _module, _args, output: heard.append(output))
    assert not fuses(module, scores, context, Q, BIAS)
    assert len(heard) == 2


@needs_native
def test_crossed_bounds_have_the_gradients_of_the_plain_form() -> None:
    """Below the floor of the range the gradient of `upper` is `lower`'s, as `safe_upper` says."""
    found = []
    for compose in (QuantAttention(Attention()), Attention()):
        scores, context = exchange("context b", AffineQuantizer(torch.tensor(0.5), torch.tensor(0.25), bits=4))
        compose(scores, context, Q, Q, Q, BIAS).sum().backward()
        found.append([float(bound.grad) for site in sites_of(scores, context) for bound in (site.lower, site.upper)])
    assert found[0][-1] == found[1][-1] == 0.0
    assert found[0][-2] == pytest.approx(found[1][-2], rel=64 * EPSILON)  # 192 levels, all weights positive


@needs_native
def test_operands_that_do_not_fit_are_refused() -> None:
    kernel = fused.native()
    assert kernel is not None
    grids = fused.grids([0.0, 1.0] * 4, (4,) * 4)
    q, bias = Q.numpy(), BIAS.numpy()
    with pytest.raises(ValueError, match="different shapes"):
        kernel.attend(q, q[:1], q, bias, grids, q.copy(), 1)
    with pytest.raises(ValueError, match="bias"):
        kernel.attend(q, q, q, bias[:, :2].copy(), grids, q.copy(), 1)
    with pytest.raises(ValueError, match="side by side"):
        kernel.attend(q, q, Q.transpose(-1, -2).contiguous().transpose(-1, -2).numpy(), bias, grids, q.copy(), 1)
    with pytest.raises(ValueError, match="four grids"):
        kernel.attend(q, q, q, bias, grids[:3], q.copy(), 1)
    with pytest.raises(ValueError, match="not built for"):
        kernel.attend(q, q, q, bias, grids, q.copy(), 1, "abacus")


def test_wrapping_exchanges_the_attention_of_a_network() -> None:
    from intaglio.arch.examples import random_network
    from intaglio.quant import wrap
    from intaglio.spec import QuantSpec

    network = random_network("SwinIR")
    plain = [path for path, module in network.named_modules() if isinstance(module, Attention)]
    model = wrap(network, QuantSpec(4, 4))
    assert plain
    assert all(isinstance(model.network.get_submodule(path), QuantAttention) for path in plain)
    assert not any(isinstance(module, attention.QuantAttention) for module in network.modules())
