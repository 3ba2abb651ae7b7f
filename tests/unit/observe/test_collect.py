"""The one pass over all sites: what each visitor sees, how often, and that nothing stays behind."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from intaglio.arch import REGISTRY
from intaglio.arch.examples import random_network
from intaglio.observe import MinMax, fit_bounds, visit_sites
from intaglio.quant import QuantModel, SiteInfo, wrap
from intaglio.spec import Bounds, Coverage, Granularity, QuantSpec

PATCHES = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(2))
FULL = QuantSpec(4, 4, Coverage.FULL)
every_architecture = pytest.mark.parametrize("name", [entry.name for entry in REGISTRY])


def hooks(model: nn.Module) -> int:
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules())


def minmax(site: SiteInfo, values: np.ndarray) -> Bounds:
    return MinMax()(values, site.bits)


@every_architecture
def test_every_site_is_visited_once_in_order(name: str) -> None:
    model = wrap(random_network(name), FULL)
    visited: list[str] = []
    found = visit_sites(model, PATCHES, lambda site, x: visited.append(site.name))
    assert list(found) == list(model.sites)
    assert sorted(visited) == sorted(model.sites)
    assert hooks(model) == 0


def test_visitors_see_the_whole_tensor_of_the_batch() -> None:
    model = wrap(random_network("EDSR"), FULL)
    seen = visit_sites(model, PATCHES, lambda site, x: x.clone())
    network = model.network
    padded = nn.functional.pad(PATCHES * 255.0 - network.mean, (1, 1, 1, 1))
    assert torch.equal(seen["conv_first:input"], padded)
    assert torch.equal(seen["body.0.conv2:weight"], network.get_submodule("body.0.conv2").weight)
    assert all(len(x) == len(PATCHES) for key, x in seen.items() if key.endswith("input"))


def test_set_sites_hand_on_their_levels() -> None:
    model = wrap(random_network("EDSR"), FULL)
    before = visit_sites(model, PATCHES, lambda site, x: x.clone())
    model.set_bounds("conv_first:input", Bounds(-100.0, 100.0))
    after = visit_sites(model, PATCHES, lambda site, x: x.clone())
    assert torch.equal(before["conv_first:input"], after["conv_first:input"])
    assert not torch.equal(before["body.0.conv1:input"], after["body.0.conv1:input"])


def test_hooks_go_even_if_a_visitor_fails() -> None:
    model = wrap(random_network("SwinIR"), QuantSpec(4, 4))

    def fail(site: SiteInfo, x: Tensor) -> None:
        if not site.is_weight:
            raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        visit_sites(model, PATCHES, fail)
    assert hooks(model) == 0


@pytest.fixture
def swinir() -> QuantModel:
    return wrap(random_network("SwinIR"), QuantSpec(4, 4))


def test_fitted_bounds_are_those_of_each_tensor_alone(swinir: QuantModel) -> None:
    extremes = visit_sites(swinir, PATCHES, lambda site, x: Bounds(float(x.min()), float(x.max())))
    assert fit_bounds(swinir, PATCHES, minmax) == extremes


def test_tensors_with_three_readers_are_fitted_once(swinir: QuantModel) -> None:
    fitted: list[str] = []
    done: list[None] = []

    def fit(site: SiteInfo, values: np.ndarray) -> Bounds:
        fitted.append(site.name)
        return minmax(site, values)

    found = fit_bounds(swinir, PATCHES, fit, on_site=lambda: done.append(None))
    assert len(done) == len(found) == len(swinir.sites)
    assert len(fitted) == len(swinir.sites) - 2 * 2  # in each of two blocks q, k and v read one LayerNorm output


def test_per_channel_weights_are_fitted_row_by_row() -> None:
    model = wrap(random_network("EDSR"), QuantSpec(4, 4, Coverage.FULL, Granularity.PER_CHANNEL))
    found = fit_bounds(model, PATCHES, minmax)
    weight = model.weight(model.sites["body.0.conv1:weight"])
    assert found["body.0.conv1:weight"] == [Bounds(float(row.min()), float(row.max())) for row in weight]
    assert isinstance(found["body.0.conv1:input"], Bounds)
