"""Free scales of channels: at any of them the network computes what it did; and those that exist are found."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu, pad, pixel_shuffle

from intaglio.arch import REGISTRY
from intaglio.arch.examples import random_network
from intaglio.quant import adopt
from intaglio.quant.scaling import ChannelScales, channel_scales, rescale


def moved_at_random(network: nn.Module, scales: ChannelScales) -> nn.Module:
    moved = copy.deepcopy(network)
    generator = torch.Generator().manual_seed(0)
    factors = torch.rand(scales.count, generator=generator, dtype=torch.float64) + 0.5
    factors[0] = 1.0
    rescale(moved, scales, factors)
    return moved


@pytest.mark.parametrize("name", [entry.name for entry in REGISTRY])
def test_every_architecture_computes_what_it_did_at_any_scales(name: str) -> None:
    network = random_network(name)
    x = torch.rand(1, network.in_channels, 24, 24, generator=torch.Generator().manual_seed(1))
    scales = channel_scales(network, x)
    moved = moved_at_random(network, scales)
    with torch.no_grad():
        before, after = network(x), moved(x)
    # Each weight is rounded once more, by 2**-24 of itself; sums of up to 10**4 of them, through a hundred layers.
    assert torch.allclose(after, before, atol=1e-4 * float(before.abs().max()))
    changed = [path for path, layer in scales.layers.items() if layer.outputs.any()]
    assert changed, "every network has a scale that is free"
    for path in changed:
        assert not torch.equal(moved.get_submodule(path).weight, network.get_submodule(path).weight)  # type: ignore[arg-type]


class Stranger(nn.Module):
    """What the built-in ones lack: groups, split and joined channels, gates, padding, a layer that is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, 8, 3, padding=1)
        self.wide = nn.Conv2d(8, 8, 3, groups=2)
        self.depth = nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False)
        self.gate = nn.Conv2d(8, 8, 1)
        self.twice = nn.Conv2d(4, 4, 1)
        self.join = nn.Conv2d(12, 8, 1)
        self.norm = nn.BatchNorm2d(8)
        self.token = nn.Linear(8, 16)
        self.tail = nn.Conv2d(4, 12, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = leaky_relu(self.head(x), 0.2)
        y = y + self.depth(self.wide(pad(y, (1, 1, 1, 1))))
        y = y * torch.sigmoid(self.gate(y.mean((2, 3), keepdim=True)))
        one, two = y.chunk(2, dim=1)
        y = torch.cat([self.twice(one), self.twice(two), one * 0.5], dim=1)
        y = self.norm(self.join(y)).relu()
        tokens = self.token(y.flatten(2).transpose(1, 2)).transpose(1, 2).unflatten(2, y.shape[-2:])
        small = interpolate(pixel_shuffle(tokens, 2), scale_factor=0.5, mode="bilinear")
        return pixel_shuffle(self.tail(small), 2)


def test_a_stranger_s_network_computes_what_it_did_at_any_scales() -> None:
    torch.manual_seed(0)
    network, x = Stranger().eval(), torch.rand(1, 3, 12, 12)
    scales = channel_scales(network, x)
    with torch.no_grad():
        before, after = network(x), moved_at_random(network, scales)(x)
    assert torch.allclose(after, before, atol=1e-5 * float(before.abs().max()))
    layers = scales.layers
    # The sum unites what it adds; the gate is fixed; four channels at a time become one of the tail's.
    assert torch.equal(layers["head"].outputs, layers["depth"].outputs)
    assert len(layers["head"].outputs.unique()) == 4  # chunks of four are read by one layer
    assert not layers["gate"].outputs.any()
    assert layers["token"].outputs.view(4, 4).unique(dim=1).shape == (4, 1)
    assert not layers["tail"].outputs.any()


def test_an_adopted_network_s_layers_are_found_below_their_paths() -> None:
    torch.manual_seed(0)
    x = torch.rand(1, 3, 12, 12)
    adopted = adopt(Stranger().eval(), x)
    scales = channel_scales(adopted, x)
    assert scales.layers["network.head"].outputs.all()
    with torch.no_grad():
        before, after = adopted(x), moved_at_random(adopted, scales)(x)
    assert torch.allclose(after, before, atol=1e-5 * float(before.abs().max()))


@pytest.mark.parametrize(
    "between",
    [nn.GELU(), nn.Sigmoid(), nn.Hardtanh(), nn.Softmax(dim=1), nn.InstanceNorm2d(4)],
    ids=lambda m: type(m).__name__,
)
def test_what_does_not_commute_with_scales_fixes_them(between: nn.Module) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), between, nn.Conv2d(4, 3, 1)).eval()
    assert channel_scales(network, torch.rand(1, 3, 6, 6)).count == 1


def test_an_added_constant_fixes_scales_and_a_factor_does_not() -> None:
    class Shifted(nn.Module):
        def __init__(self, shift: float) -> None:
            super().__init__()
            self.first, self.second, self.shift = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 3, 1), shift

        def forward(self, x: Tensor) -> Tensor:
            return self.second(2.0 * (self.first(x) + self.shift))

    x = torch.rand(1, 3, 6, 6)
    assert channel_scales(Shifted(0.0), x).count == 5
    assert channel_scales(Shifted(1.0), x).count == 1


def test_operands_by_name_are_fixed() -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 3, 1)

        def forward(self, x: Tensor) -> Tensor:
            y = interpolate(input=self.first(x), scale_factor=2)
            return nn.functional.conv2d(input=y, weight=self.second.weight)

    scales = channel_scales(Named(), torch.rand(1, 3, 6, 6))
    assert scales.count == 1
    assert "second" not in scales.layers
