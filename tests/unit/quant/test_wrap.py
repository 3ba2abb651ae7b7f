"""Wrapping: which sites a network gets, what they are called, that nothing changes until they are set."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from intaglio.arch import REGISTRY
from intaglio.arch.examples import random_network
from intaglio.arch.registry import find
from intaglio.arch.swinir import SwinIRConfig
from intaglio.errors import BoundsError, CalibrationError, SpecError
from intaglio.quant import AffineQuantizer, Quantizer, QuantModel, Unset, wrap
from intaglio.quant.layers import QuantConv2d, QuantLinear, QuantMatMul
from intaglio.quant.policy import END_BITS, Reason
from intaglio.spec import Bounds, Coverage, Granularity, QuantSpec, Shape

FULL = QuantSpec(3, 4, Coverage.FULL)
NAMES = [entry.name for entry in REGISTRY]
every_architecture = pytest.mark.parametrize("name", NAMES)


def grid(lower: float, upper: float, bits: int = 4) -> AffineQuantizer:
    return AffineQuantizer.from_bounds(Bounds(lower, upper), bits)


def test_swinir_light_has_the_published_sites() -> None:
    """SwinIR-light: 144 weights, 144 linear inputs, 96 operands; 768 scalars to learn."""
    model = wrap(find("SwinIR").build(SwinIRConfig(scale=2)), QuantSpec(4, 4))
    sites = list(model.sites.values())
    assert sum(site.is_weight for site in sites) == 144
    assert sum(site.role.endswith("input") for site in sites) == 144
    assert sum(site.role in ("a", "b") for site in sites) == 96
    assert len(sites) == 384
    assert sum(model.weight(site).numel() for site in sites if site.is_weight) == 691_200
    one_sided = [site.name for site in sites if site.shape is Shape.ONE_SIDED]
    assert len(one_sided) == 2 * 24  # attention maps, inputs of fc2
    assert all(name.endswith((".context:a", ".fc2:input")) for name in one_sided)
    for name in model.sites:
        model.set_bounds(name, Bounds(-1.0, 1.0))
    assert sum(parameter.numel() for q in model.affine().values() for parameter in q.parameters()) == 768


def test_a_shared_input_is_one_quantizer_with_three_readers() -> None:
    apart = wrap(random_network("SwinIR"), QuantSpec(4, 4))
    shared = wrap(random_network("SwinIR"), QuantSpec(4, 4, share_input=True))
    assert len(apart.sites) - len(shared.sites) == 2 * 2  # two of q, k, v in each of two blocks
    name = next(name for name in shared.sites if name.endswith(".qkv.q:input"))
    quantizer = grid(-1.0, 1.0)
    shared.set_quantizer(name, quantizer)
    layer = shared.layer(shared.sites[name])
    assert all(layer.site(f"{part}.input") is quantizer for part in "qkv")


@every_architecture
@torch.inference_mode()
def test_the_unset_copy_computes_what_the_original_does(name: str) -> None:
    """But for rounding: torch is free to compute the two by different algorithms (here, padding is moved out).

    Sums of at most 2^12 terms round at random to 2^-18 of their root sum square, at most 2^8 of them follow one
    another, which makes 2^-14; four times that. A site in the way of 8 bits or fewer would move values by 2^-9.
    """
    network = random_network(name)
    image = torch.rand(2, 3, 17, 16)
    expected = network(image)
    assert (wrap(network, FULL)(image) - expected).abs().max() <= 2.0**-12 * expected.abs().max()


@torch.inference_mode()
def test_an_unset_layer_is_exact_whatever_the_algorithm() -> None:
    """On integers of which no sum leaves 24 bits, every order of summing gives the same bits."""
    layers = torch.nn.Sequential(
        torch.nn.Conv2d(3, 6, 3, padding=1), torch.nn.Conv2d(6, 8, 9, padding=4), torch.nn.Conv2d(8, 3, 1)
    )
    for parameter in layers.parameters():
        parameter.copy_(torch.randint(-3, 4, parameter.shape))
    image = torch.randint(0, 8, (2, 3, 17, 16)).float()
    assert torch.equal(wrap(layers, FULL)(image), layers(image))


@every_architecture
def test_the_original_is_left_untouched(name: str) -> None:
    network = random_network(name).train().requires_grad_(True)
    state = {key: value.clone() for key, value in network.state_dict().items()}
    types = [(path, type(module)) for path, module in network.named_modules()]
    model = wrap(network, FULL)
    for site in model.sites.values():
        model.set_bounds(site.name, Bounds(-1.0, 1.0))
        if site.is_weight:
            model.weight(site).zero_()
    assert network.training
    assert not model.network.training
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert [(path, type(module)) for path, module in network.named_modules()] == types
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())


@every_architecture
def test_full_coverage_has_a_site_for_every_weight_and_wide_ends(name: str) -> None:
    network = random_network(name)
    model = wrap(network, FULL)
    layers = {path for path, module in network.named_modules() if isinstance(module, (nn.Conv2d, nn.Linear))}
    constant = {one.path for one in model.left_float if one.reason is Reason.CONSTANT}
    assert {site.path for site in model.sites.values() if site.is_weight} == layers - constant
    assert all(".pos." in path for path in constant)
    for site in model.sites.values():
        narrow = FULL.weight_bits if site.is_weight else FULL.act_bits
        assert site.bits == (END_BITS if site.path in network.first_and_last() else narrow)
    assert not any(parameter.requires_grad for parameter in model.parameters())


@every_architecture
def test_paper_coverage_leaves_convolutions_float_or_says_that_nothing_is_left(name: str) -> None:
    network = random_network(name)
    if not any(isinstance(module, nn.Linear) for module in network.modules()):
        with pytest.raises(SpecError, match=rf"quantizes nothing in {name}.*choose coverage 'full'"):
            wrap(network, QuantSpec(4, 4, Coverage.PAPER))
        return
    model = wrap(network, QuantSpec(4, 4, Coverage.PAPER))
    assert not any(isinstance(module, QuantConv2d) for module in model.modules())


def test_convolutions_quantize_the_padding_too() -> None:
    """Zero is no level of this grid, so the border shows whether padding came first (numerics page, section 3)."""
    conv = nn.Conv2d(2, 3, 3, stride=2, padding=(1, 2))
    quantized = QuantConv2d(conv)
    act, weight = grid(0.3, 1.1, bits=2), grid(-0.2, 0.2)
    quantized.set_site("input", act)
    quantized.set_site("weight", weight)
    x = torch.rand(1, 2, 6, 5)
    expected = functional.conv2d(act(functional.pad(x, (2, 2, 1, 1))), weight(conv.weight), conv.bias, stride=2)
    assert torch.equal(quantized(x), expected)


@pytest.mark.parametrize(
    ("form", "mode"), [({"padding_mode": "reflect", "padding": 1}, "reflect"), ({"padding": "same"}, "constant")]
)
def test_other_paddings_are_those_of_torch(form: dict[str, object], mode: str) -> None:
    conv = nn.Conv2d(3, 3, 3, **form)  # type: ignore[arg-type]
    quantized = QuantConv2d(conv)
    act, weight = grid(0.0, 1.0), grid(-0.2, 0.2)
    quantized.set_site("input", act)
    quantized.set_site("weight", weight)
    x = torch.rand(1, 3, 6, 5)
    expected = functional.conv2d(act(functional.pad(x, (1, 1, 1, 1), mode)), weight(conv.weight), conv.bias)
    # 27 products below 0.2 and their sum, in another order at most
    assert torch.allclose(quantized(x), expected, rtol=0.0, atol=27 * 27 * 0.2 * torch.finfo(torch.float32).eps)


@pytest.mark.parametrize("bias", [True, False])
def test_parts_of_a_fused_linear_have_their_own_grids(bias: bool) -> None:
    linear = nn.Linear(5, 6, bias=bias)
    fused = QuantLinear(linear, ("q", "k", "v"))
    quantizers = {role: grid(-0.1 - 0.1 * number, 0.9) for number, role in enumerate(fused.roles)}
    for role, quantizer in quantizers.items():
        fused.set_site(role, quantizer)
    x = torch.randn(2, 4, 5)
    parts = []
    for part, rows in zip("qkv", linear.weight.split(2), strict=True):
        product = quantizers[f"{part}.input"](x) @ quantizers[f"{part}.weight"](rows).T
        parts.append(product)
    expected = torch.cat(parts, dim=-1) + (linear.bias if bias else 0.0)
    # sums of 5 products of values below 1, in any order
    assert (fused(x) - expected).abs().max() <= 8 * 2.0**-23


def test_a_product_quantizes_both_operands() -> None:
    product = QuantMatMul()
    a, b = grid(-1.0, 1.0, bits=2), grid(0.0, 1.0, bits=3)
    product.set_site("a", a)
    product.set_site("b", b)
    x, y = torch.randn(2, 3, 4), torch.rand(2, 4, 5)
    assert torch.equal(product(x, y), a(x) @ b(y))


def test_a_weight_can_have_one_grid_for_each_channel() -> None:
    model = wrap(random_network("EDSR"), QuantSpec(2, 2, Coverage.FULL, Granularity.PER_CHANNEL))
    name = "body.0.conv1:weight"
    weight = model.weight(model.sites[name])
    bounds = [Bounds(float(row.min()), float(row.max())) for row in weight]
    model.set_bounds(name, bounds)
    levels = model.quantizer(name)(weight)
    assert all(len(row.unique()) <= 4 for row in levels)
    assert len(levels.unique()) > 4


def test_unknown_sites_and_unset_models_are_refused_with_a_remedy() -> None:
    model = wrap(random_network("EDSR"), FULL)
    with pytest.raises(SpecError, match="no site 'nowhere' in this model"):
        model.quantizer("nowhere")
    with pytest.raises(CalibrationError, match=rf"{len(model.sites)} of {len(model.sites)} sites have no bounds"):
        model.require_calibrated()
    with pytest.raises(SpecError, match="is no weight"):
        model.weight(model.sites["body.0.conv1:input"])
    for name in model.sites:
        model.set_bounds(name, Bounds(0.0, 1.0))
    model.require_calibrated()
    assert tuple(model.affine()) == tuple(model.sites)


@pytest.mark.parametrize("bounds", [(1.0, 1.0), (1.0, 0.0), (float("nan"), 1.0), (0.0, float("inf"))])
def test_bounds_without_a_range_are_refused(bounds: tuple[float, float]) -> None:
    with pytest.raises(BoundsError):
        Bounds(*bounds)


def test_a_site_changes_by_exchanging_its_quantizer() -> None:
    class Signs(Quantizer):
        def forward(self, x: Tensor) -> Tensor:
            return x.sign()

    model: QuantModel = wrap(random_network("EDSR"), FULL)
    name = "body.1.conv2:input"
    assert isinstance(model.quantizer(name), Unset)
    model.set_quantizer(name, Signs())
    assert name not in model.affine()
    heard: list[Tensor] = []
    model.quantizer(name).register_forward_hook(lambda _module, _args, output: heard.append(output))
    model(torch.rand(1, 3, 6, 6))
    assert set(heard[0].unique().tolist()) <= {-1.0, 0.0, 1.0}
