"""Networks that know nothing of this package: their products become sites, their answers stay what they were."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from intaglio.errors import SpecError
from intaglio.methods import make_method, quantize
from intaglio.observe import CalibrationSet, visit_sites
from intaglio.quant import AffineQuantizer, adopt, wrap, wrap_foreign
from intaglio.quant.policy import Reason
from intaglio.spec import Bounds, Coverage, QuantSpec, Shape

FULL, PAPER = QuantSpec(4, 4, Coverage.FULL), QuantSpec(4, 4)
EXAMPLE = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(1))
CALIBRATION = CalibrationSet.synthetic(count=2, size=24)

Products = Callable[[Tensor, Tensor, Tensor], Tensor]


def by_matmul(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return torch.matmul(torch.matmul(q, k.transpose(-2, -1)).softmax(-1), v)


def by_operator(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return (q @ k.mT).softmax(-1) @ v


def by_method(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return q.matmul(other=k.mT).softmax(-1).matmul(v)


def by_bmm(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return torch.bmm(torch.bmm(input=q, mat2=k.mT).softmax(-1), v)


def by_baddbmm(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    bias = torch.linspace(0, 1, k.shape[1])
    return torch.baddbmm(bias, q, k.mT, beta=0.5, alpha=2.0).softmax(-1).bmm(v)


def by_einsum(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return torch.einsum("nij, njd -> nid", [torch.einsum("nid,njd->nij", q, k).softmax(-1), v])


def by_sdpa(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return functional.scaled_dot_product_attention(q, k, v)


FORMS: dict[Products, tuple[str, str]] = {
    by_matmul: ("matmul0", "matmul1"),
    by_operator: ("matmul0", "matmul1"),
    by_method: ("matmul0", "matmul1"),
    by_bmm: ("bmm0", "bmm1"),
    by_baddbmm: ("baddbmm0", "bmm0"),
    by_einsum: ("einsum0", "einsum1"),
    by_sdpa: ("scores0", "context0"),
}
every_form = pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)


class Attention(nn.Module):
    """Written as a stranger would: one fused linear, the products by functions."""

    def __init__(self, dim: int, products: Products) -> None:
        super().__init__()
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.products = products

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        q, k, v = self.qkv(x.flatten(2).mT).chunk(3, dim=-1)
        return x + self.proj(self.products(q, k, v)).mT.reshape(n, c, h, w)


class Stranger(nn.Module):
    def __init__(self, products: Products = by_matmul, dim: int = 6) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, dim, 3, padding=1)
        self.blocks = nn.ModuleList([Attention(dim, products), Attention(dim, products)])
        self.tail = nn.Sequential(nn.Conv2d(dim, 12, 3, padding=1), nn.PixelShuffle(2))
        self.idle = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.head(x.mul_(2.0).sub_(1.0))  # in place, as some published networks do
        for block in self.blocks:
            x = block(x)
        return self.tail(x)


def stranger(products: Products = by_matmul) -> Stranger:
    torch.manual_seed(3)
    return Stranger(products).eval()


def product_sites(model_sites: object) -> list[str]:
    return [name for name in model_sites if name.startswith("products.")]


@every_form
def test_every_way_to_multiply_is_found(form: Products) -> None:
    model = wrap_foreign(stranger(form), PAPER, EXAMPLE)
    expected = [f"products.blocks.{block}.{name}:{role}" for block in (0, 1) for name in FORMS[form] for role in "ab"]
    assert sorted(product_sites(model.sites)) == sorted(expected)
    assert {site.path for site in model.sites.values() if site.is_weight} == {
        f"network.blocks.{block}.{layer}" for block in (0, 1) for layer in ("qkv", "proj")
    }


@every_form
@torch.no_grad()
def test_the_unset_copy_answers_as_the_original_and_changes_no_argument(form: Products) -> None:
    network = stranger(form)
    model = wrap_foreign(network, FULL, EXAMPLE)
    image = torch.rand(2, 3, 5, 9)
    kept = image.clone()
    answer = model(image)
    assert torch.equal(image, kept)
    # Sums of K <= 55 terms in another order (softmax, or padding moved out of a convolution): K roundings of values
    # below 4.
    assert (answer - network(kept)).abs().max() <= 55 * 4 * 2.0**-23


@every_form
@torch.no_grad()
def test_set_sites_quantize_the_operands(form: Products) -> None:
    model = wrap_foreign(stranger(form), PAPER, EXAMPLE)
    names = product_sites(model.sites)
    before = visit_sites(model, EXAMPLE, lambda site, x: x.clone())
    for name in names:
        low, high = before[name].aminmax()
        model.set_bounds(name, Bounds(float(low), float(high)))
    heard: list[Tensor] = []
    for name in names:
        quantizer = model.quantizer(name)
        quantizer.register_forward_hook(lambda _module, _args, output: heard.append(output.clone()))
    unquantized = wrap_foreign(stranger(form), PAPER, EXAMPLE)(EXAMPLE)
    assert not torch.equal(model(EXAMPLE), unquantized)
    assert len(heard) == len(names)
    assert all(len(levels.unique()) <= 16 for levels in heard)


def test_softmax_outputs_are_known_as_one_sided() -> None:
    sites = wrap_foreign(stranger(), PAPER, EXAMPLE).sites
    assert sites["products.blocks.0.matmul1:a"].shape is Shape.ONE_SIDED
    assert sites["products.blocks.0.matmul0:a"].shape is Shape.BELL


def test_ends_keep_eight_bits_and_idle_layers_stay_float() -> None:
    adopted = adopt(stranger(), EXAMPLE)
    assert adopted.first_and_last() == ("network.head", "network.tail.0")
    assert adopted.left_float() == {"network.idle"}
    assert adopted.feature_taps() == ("network.blocks.0", "network.blocks.1")
    assert adopted.scale == 2
    sites = wrap_foreign(stranger(), FULL, EXAMPLE).sites
    assert {sites[name].bits for name in ("network.head:weight", "network.tail.0:input")} == {8}
    assert {sites[name].bits for name in ("network.blocks.0.qkv.q:weight", "products.blocks.1.matmul0:b")} == {4}
    assert not any("idle" in name for name in sites)


def test_the_original_is_left_as_it_is() -> None:
    network = stranger().train()
    modules, state = list(network.named_modules()), {key: value.clone() for key, value in network.state_dict().items()}
    wrap_foreign(network, FULL, EXAMPLE)
    assert network.training
    assert [name for name, _ in network.named_modules()] == [name for name, _ in modules]
    assert all(torch.equal(value, network.state_dict()[key]) for key, value in state.items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for _, module in modules)
    assert all(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize("method", ["minmax", "dobi", "2dquant"])
def test_methods_calibrate_and_distil_it(method: str) -> None:
    settings = {"patches": 2, "patch_size": 8}
    if method == "2dquant":
        settings |= {"iterations": 3, "batch": 2, "pool": 4}
    adopted = adopt(stranger(), EXAMPLE)
    model = quantize(adopted, FULL, make_method(method, settings), CALIBRATION).model
    assert all(isinstance(model.quantizer(name), AffineQuantizer) for name in model.sites)
    again = quantize(adopted, FULL, make_method(method, settings), CALIBRATION).model
    image = CALIBRATION.patches(1, 16, seed=5)
    assert torch.equal(model(image), again(image))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


class Branching(nn.Module):
    """Multiplies once more where the picture is bright, and not at all where it is dark."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        for _ in range(round(2 * float(x.mean()))):
            y = y @ y.mT
        return y


@pytest.mark.parametrize(
    ("level", "complaint"), [(0.0, "ended without the product"), (1.0, "but the example's was none")]
)
def test_another_order_of_products_is_refused_with_a_remedy(level: float, complaint: str) -> None:
    model = wrap_foreign(Branching(), FULL, torch.full((1, 3, 4, 4), 0.5))
    with pytest.raises(SpecError, match=f"{complaint}.*calibrate it with pictures like the example"):
        model(torch.full((1, 3, 4, 4), level))


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.last = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.conv(self.conv(x)))


def test_a_layer_called_twice_has_an_input_site_for_each_call_and_one_for_its_weight() -> None:
    model = wrap_foreign(Twice(), FULL, EXAMPLE)
    assert [site.name for site in model.sites.values() if "conv" in site.path] == [
        "network.conv:input",
        "network.conv:input2",
        "network.conv:weight",
    ]
    first, second = (visit_sites(model, EXAMPLE, lambda site, x: x.clone())[f"network.conv:{role}"] for role in ROLES)
    assert torch.equal(first, EXAMPLE)
    layer = model.layer(model.sites["network.conv:weight"])
    layer.restart()
    assert torch.equal(second, layer(EXAMPLE))
    model.set_bounds("network.conv:input2", Bounds(-0.5, 0.5))
    heard = visit_sites(model, EXAMPLE, lambda site, x: model.quantizer(site.name).forward(x))
    assert torch.equal(heard["network.conv:input"], EXAMPLE)
    assert len(heard["network.conv:input2"].unique()) <= 256


ROLES = ("input", "input2")


class Wavering(Twice):
    """Calls a layer as often as the picture is bright."""

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(round(4 * float(x.mean()))):
            x = self.conv(x)
        return self.last(x)


def test_a_layer_called_more_often_than_in_the_example_is_refused() -> None:
    model = wrap_foreign(Wavering(), FULL, torch.full((1, 3, 4, 4), 0.5))
    with pytest.raises(SpecError, match=r"called more than 2 times in this pass.* leave the layer float"):
        model(torch.ones(1, 3, 4, 4))
    model(torch.full((1, 3, 4, 4), 0.5))  # a pass that was cut short leaves nothing behind


def test_layers_are_left_float_by_path_or_pattern() -> None:
    model = wrap(adopt(Twice(), EXAMPLE, left_float=["co*"]), FULL)
    assert {site.path for site in model.sites.values()} == {"network.last"}
    assert [(one.path, one.reason) for one in model.left_float] == [("network.conv", Reason.NAMED)]
    with pytest.raises(SpecError, match="'nothing' is no linear or convolution"):
        adopt(Twice(), EXAMPLE, left_float=["nothing"])


def test_evaluation_mode_reaches_everything_new() -> None:
    model = wrap_foreign(stranger().train(), FULL, EXAMPLE)
    assert not any(module.training for module in model.modules())
    model.set_bounds("network.head:input", Bounds(0.0, 1.0))
    assert not model.quantizer("network.head:input").training


class Functional(nn.Module):
    """What multiplies by weights without being a layer: a bare parameter, a function, a transposed convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Parameter(torch.eye(8))
        self.kernel = nn.Parameter(torch.ones(3, 3, 1, 1))
        self.up = nn.ConvTranspose2d(3, 3, 2, stride=2)
        self.last = nn.Conv2d(3, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.up(functional.conv2d(x @ self.mix, self.kernel)))


def test_weights_outside_layers_are_no_sites_and_are_named() -> None:
    adopted = adopt(Functional(), EXAMPLE)
    assert set(adopted.unseen) == {"(conv2d)", "up"}
    assert list(wrap_foreign(Functional(), FULL, EXAMPLE).sites) == ["network.last:input", "network.last:weight"]


@pytest.mark.parametrize(
    ("network", "complaint"),
    [
        (nn.Flatten(), r"returns \(2, 192\), expected a picture"),
        (nn.AvgPool2d(2), "not a whole number of times as large"),
        (nn.Upsample(scale_factor=(2, 3)), "not a whole number of times as large"),
    ],
)
def test_what_returns_no_larger_picture_is_refused(network: nn.Module, complaint: str) -> None:
    with pytest.raises(SpecError, match=complaint):
        adopt(network, EXAMPLE)


@pytest.mark.parametrize("masked", ["none", "float", "bool", "causal", "grouped"])
def test_attention_by_two_products_is_that_of_torch(masked: str) -> None:
    from intaglio.quant.products import attention

    q, k, v = (torch.randn(2, heads, 7, 4) for heads in (4, 2, 2))
    settings: dict[str, object] = {"scale": 0.3, "enable_gqa": True}
    if masked != "grouped":
        k, v = k.repeat_interleave(2, 1), v.repeat_interleave(2, 1)
        settings = {"scale": 0.3}
    mask = torch.rand(7, 7) - 0.3
    if masked == "float":
        settings["attn_mask"] = mask
    elif masked == "bool":
        settings["attn_mask"] = (mask > 0) | torch.eye(7, dtype=torch.bool)
    elif masked == "causal":
        settings["is_causal"] = True
    ours = attention(lambda found: found.multiply(found.a, found.b), q, k, v, **settings)
    theirs = functional.scaled_dot_product_attention(q, k, v, **settings)
    # at most 7 + 4 + 3 roundings of averages of values below 5
    assert (ours - theirs).abs().max() <= 14 * 5 * 2.0**-23


def test_attention_that_drops_at_random_is_refused() -> None:
    def dropping(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return functional.scaled_dot_product_attention(q, k, v, dropout_p=0.25)

    with pytest.raises(SpecError, match="drops 25%"):
        adopt(stranger(dropping), EXAMPLE)
