"""The paired pass: each layer meets what it reads in the float network and what it reads in the quantized one."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from intaglio.arch.swinir import SwinIR, SwinIRConfig
from intaglio.methods import make_method, quantize
from intaglio.observe import CalibrationSet
from intaglio.observe.paired import paired_pass
from intaglio.quant import adopt, wrap
from intaglio.quant.layers import QuantLayer
from intaglio.quant.work import is_product
from intaglio.spec import Coverage, QuantSpec


@pytest.mark.parametrize("record_bytes", [1, 20_000, 1 << 30], ids=["a-layer", "some", "all"])
def test_layers_meet_the_inputs_of_the_two_networks(record_bytes: int) -> None:
    torch.manual_seed(0)
    config = SwinIRConfig(scale=2, embed_dim=12, depths=(2,), heads=(2,), window=4, mlp_hidden=24)
    network = SwinIR(config).eval()
    calibration = CalibrationSet.synthetic(2, 16)
    model = quantize(network, QuantSpec(4, 4), make_method("dobi", {"patches": 2, "patch_size": 16}), calibration).model
    patches = calibration.patches(3, 16, seed=0)
    met: list[str] = []

    def meet(path: str, layer: QuantLayer, floats: tuple[Tensor, ...], quantized: tuple[Tensor, ...]) -> None:
        met.append(path)
        expected, found = captured[path]
        for ours, theirs in zip((*floats, *quantized), (*expected, *found), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)

    captured = _inputs(network, model.network, patches, tuple(dict.fromkeys(s.path for s in model.sites.values())))
    paired_pass(model, network, patches, meet, record_bytes)
    # Each layer with a weight once, in the order in which they run.
    assert met == [path for path in captured if not is_product(network.get_submodule(path))]
    assert not any(layer._forward_pre_hooks for layer in model.modules())


class Recurrent(nn.Module):
    """A layer that is called twice, around another one."""

    def __init__(self) -> None:
        super().__init__()
        self.twice, self.between = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.twice(self.between(self.twice(x)).relu_())


def test_a_layer_called_twice_is_met_once_with_all_its_inputs() -> None:
    torch.manual_seed(1)
    network = adopt(Recurrent(), torch.rand(1, 3, 6, 6))
    model = wrap(network, QuantSpec(4, 4, Coverage.FULL))
    patches = torch.rand(2, 3, 6, 6)
    met: dict[str, tuple[tuple[Tensor, ...], tuple[Tensor, ...]]] = {}

    def meet(path: str, layer: QuantLayer, floats: tuple[Tensor, ...], quantized: tuple[Tensor, ...]) -> None:
        met[path] = (floats, quantized)

    with torch.no_grad():
        model.layer(model.sites["network.between:weight"]).weight.zero_()  # so that the two networks differ
        paired_pass(model, network, patches, meet)
        middle = network.network.between(network.network.twice(patches)).relu()
    assert list(met) == ["network.twice", "network.between"]
    floats, quantized = met["network.twice"]
    assert torch.equal(floats[0], patches)
    assert torch.equal(floats[1], middle)
    assert torch.equal(quantized[0], patches)
    bias = network.network.between.bias
    assert torch.equal(quantized[1], bias.relu()[None, :, None, None].expand_as(patches))


def _inputs(
    network: torch.nn.Module, quantized: torch.nn.Module, patches: Tensor, paths: tuple[str, ...]
) -> dict[str, tuple[tuple[Tensor, ...], tuple[Tensor, ...]]]:
    floats, quantizeds = (_heard(module, patches, paths) for module in (network, quantized))
    return {path: (floats[path], quantizeds[path]) for path in floats}


def _heard(module: torch.nn.Module, patches: Tensor, paths: tuple[str, ...]) -> dict[str, tuple[Tensor, ...]]:
    seen: dict[str, tuple[Tensor, ...]] = {}
    for path in paths:
        layer = module.get_submodule(path)
        layer.register_forward_pre_hook(lambda _m, args, path=path: seen.update({path: args}))
    with torch.no_grad():
        module(patches)
    for path in paths:
        module.get_submodule(path)._forward_pre_hooks.clear()
    return seen
