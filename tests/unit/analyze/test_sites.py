"""Analyses by site on small networks: what they must be by construction."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from intaglio.analyze import (
    Pairs,
    bound_percentiles,
    estimate_errors,
    outlier_colour,
    pairs_of,
    site_distributions,
    site_sensitivity,
    weight_conditions,
)
from intaglio.analyze.placing import emptied, placed
from intaglio.arch.examples import random_network
from intaglio.errors import CalibrationError, SpecError
from intaglio.images import downscale
from intaglio.methods import make_method, quantize
from intaglio.observe import CalibrationSet
from intaglio.quant import QuantModel, Unset, wrap
from intaglio.spec import Bounds, Coverage, Granularity, QuantSpec

CALIBRATION = CalibrationSet.synthetic(count=2, size=48)
SPEC = QuantSpec(4, 4)


def quantized(method: str, spec: QuantSpec = SPEC, network: str = "SwinIR", **settings: object) -> QuantModel:
    chosen = make_method(method, {"patches": 2, "patch_size": 16, **settings})
    return quantize(random_network(network), spec, chosen, CALIBRATION).model


@pytest.fixture(scope="module")
def minmax() -> QuantModel:
    return quantized("minmax")


@pytest.fixture(scope="module")
def patches() -> Tensor:
    return CALIBRATION.patches(2, 16, seed=0)


def test_minmax_clips_nothing_and_bounds_are_the_ends(minmax: QuantModel, patches: Tensor) -> None:
    for row in site_distributions(minmax, patches, bins=16):
        assert row.clipped == 0.0
        assert sum(row.counts) == row.values
        assert len(row.counts) == 16
        assert row.low <= row.mean <= row.high
        ((lower, upper),) = row.bounds
        assert (lower, upper) == (row.low, row.high)


def test_percentile_bounds_clip_what_they_say(patches: Tensor) -> None:
    model = quantized("percentile", tail=5.0)
    activations = [row for row in site_distributions(model, patches) if not row.weight]
    # Percentiles of a histogram are off by a bin, 2**-14 of the range: masked attention has a crowd of zeros in one.
    clear = [row for row in activations if row.bounds[0][0] - row.low > 2.0**-14 * (row.high - row.low)]
    assert len(clear) > len(activations) / 2
    # Interpolated percentiles leave at most 5 % and one value beyond each end; ties may leave fewer.
    assert all(row.clipped <= 0.1 + 2 / row.values for row in clear)
    assert np.median([row.clipped for row in activations]) > 0.05


def test_percentiles_of_minmax_and_of_percentile(minmax: QuantModel, patches: Tensor) -> None:
    rows = bound_percentiles({"minmax": minmax, "5 %": quantized("percentile", tail=5.0)}, patches)
    assert len(rows) == 2 * len(minmax.sites)
    assert all((row.lower, row.upper) == (0.0, 100.0) for row in rows if row.method == "minmax" and row.weight)
    cut = [row for row in rows if row.method == "5 %" and not row.weight]
    # One value more or less by interpolation, out of at least a hundred.
    assert np.median([row.lower for row in cut]) == pytest.approx(5.0, abs=1.0)
    assert np.median([row.upper for row in cut]) == pytest.approx(95.0, abs=1.0)


def test_percentiles_average_channels(patches: Tensor) -> None:
    spec = QuantSpec(4, 4, weight_granularity=Granularity.PER_CHANNEL)
    rows = bound_percentiles({"minmax": quantized("minmax", spec)}, patches)
    assert {(row.lower, row.upper) for row in rows if row.weight} == {(0.0, 100.0)}


def test_models_of_different_coverage_are_not_compared(minmax: QuantModel, patches: Tensor) -> None:
    full = quantized("minmax", QuantSpec(4, 4, Coverage.FULL))
    with pytest.raises(SpecError, match="one coverage"):
        bound_percentiles({"a": minmax, "b": full}, patches)


def test_an_uncalibrated_model_is_refused(patches: Tensor) -> None:
    model = wrap(random_network("SwinIR"), SPEC)
    for analysis in (site_distributions, estimate_errors):
        with pytest.raises(CalibrationError, match="run a method"):
            analysis(model, patches)


def test_emptying_leaves_the_model_alone(minmax: QuantModel, patches: Tensor) -> None:
    bare = emptied(minmax)
    name = next(iter(bare.sites))
    with pytest.raises(ZeroDivisionError), placed(bare, name, minmax.quantizer(name)):
        raise ZeroDivisionError
    assert all(isinstance(bare.quantizer(site), Unset) for site in bare.sites)
    minmax.require_calibrated()
    # Batched and sliced products may add in another order than the float layers: single precision, a few ulps.
    assert torch.allclose(bare(patches), random_network("SwinIR")(patches), atol=1e-5)


def test_pairs_are_a_crop_and_its_bicubic() -> None:
    pairs = pairs_of(CALIBRATION, 2, 12, 3, seed=1)
    assert (tuple(pairs.lr.shape), tuple(pairs.hr.shape), pairs.scale) == ((2, 3, 12, 12), (2, 3, 36, 36), 3)
    hr = (pairs.hr[0] * 255).round().byte().permute(1, 2, 0).numpy()
    assert np.array_equal((pairs.lr[0] * 255).round().byte().permute(1, 2, 0).numpy(), downscale(hr, 3))


def test_psnr_of_pairs_by_hand() -> None:
    hr = torch.full((1, 3, 8, 8), 0.5)
    pairs = Pairs(torch.zeros(1, 3, 4, 4), hr)
    # White minus grey is 0.5 in RGB and 0.5 * 219 / 255 in luma.
    assert pairs.psnr_y(torch.ones(1, 3, 8, 8)) == pytest.approx(-20 * np.log10(0.5 * 219 / 255))
    assert pairs.psnr_y(hr) == pytest.approx(100.0)


@pytest.mark.parametrize("network", ["SwinIR", "RLFN"])
def test_a_site_quantized_alone_changes_what_it_changes(network: str) -> None:
    coverage = Coverage.PAPER if network == "SwinIR" else Coverage.FULL
    model = quantized("dobi", QuantSpec(3, 3, coverage), network)
    pairs = pairs_of(CALIBRATION, 2, 8, model.network.scale, seed=0)  # type: ignore[arg-type]
    rows = site_sensitivity(model, pairs)
    assert [row.site for row in rows] == list(model.sites)
    bare = emptied(model)
    with torch.no_grad():
        reference = bare(pairs.lr)
        with placed(bare, rows[0].site, model.quantizer(rows[0].site)):
            output = bare(pairs.lr)
    assert rows[0].error == float((output - reference).double().square().mean())
    assert rows[0].psnr_loss == pairs.psnr_y(reference) - pairs.psnr_y(output)


def test_the_estimate_is_exact_where_the_network_is_linear() -> None:
    """One sample depends on the sites, the others are zero: r . J d is then J d itself, up to its sign."""

    class One(nn.Module):
        scale, in_channels = 1, 3

        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 1, 1, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            return torch.cat([self.conv(x), torch.zeros_like(x[:, 1:])], 1)

    torch.manual_seed(0)
    model = wrap(One(), QuantSpec(2, 2, Coverage.FULL))
    for name in model.sites:
        model.set_bounds(name, Bounds(-1.0, 1.0))
    lr = torch.rand(3, 3, 1, 1)
    found = estimate_errors(model, lr, probes=2)
    bare = emptied(model)
    for name in model.sites:
        with placed(bare, name, model.quantizer(name)), torch.no_grad():
            changed = bare(lr)
        measured = float((changed - emptied(model)(lr)).double().square().mean())
        # Both sides are formed in single precision from values near 1.
        assert found[name] == pytest.approx(measured, rel=1e-4, abs=1e-12)


@pytest.mark.parametrize("share_input", [False, True])
def test_estimates_rank_sites_as_measurements_do(share_input: bool) -> None:
    model = quantized("dobi", QuantSpec(6, 6, share_input=share_input))
    pairs = pairs_of(CALIBRATION, 2, 8, 2, seed=0)
    rows = site_sensitivity(model, pairs, estimates=estimate_errors(model, pairs.lr, probes=8))
    measured, estimated = (np.log([row.error for row in rows]), np.log([row.estimate for row in rows]))  # type: ignore[arg-type]
    # 16 draws leave a relative deviation of 0.35 at each site; errors of sites spread over orders of magnitude.
    assert np.corrcoef(measured, estimated)[0, 1] > 0.8


def test_condition_numbers_by_hand() -> None:
    network = random_network("SwinIR")
    layer = network.get_submodule("layers.0.residual_group.blocks.0.attn.proj")
    assert isinstance(layer, nn.Linear)
    with torch.no_grad():
        layer.weight.copy_(torch.diag(torch.linspace(1.0, 4.0, 12)))
    rows = {row.site: row for row in weight_conditions(wrap(network, SPEC))}
    found = rows["layers.0.residual_group.blocks.0.attn.proj:weight"]
    assert (found.rows, found.columns) == (12, 12)
    assert found.kappa == pytest.approx(4.0, rel=1e-6)  # 1 and 4 are exact in single precision
    assert len(rows) == 12


def test_outliers_of_one_colour_are_found_on_it() -> None:
    """A 1x1 convolution that computes red minus green has its largest inputs where the picture is red."""

    class Chroma(nn.Module):
        scale, in_channels = 1, 3

        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(3, 3, 1, bias=False)
            self.last = nn.Conv2d(3, 3, 1, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            return x + 0.5 * self.last(self.first(x))

    network = Chroma()
    with torch.no_grad():
        network.first.weight.copy_(torch.tensor([[1.0, -1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]).view(3, 3, 1, 1))
        network.last.weight.copy_(torch.tensor([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]).view(3, 3, 1, 1))
    picture = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(0)).expand(1, 3, 16, 16).clone() * 0.1
    picture[0, :, 3, 3:6] = torch.tensor([0.9, 0.1, 0.1])[:, None]
    rows = {row.site: row for row in outlier_colour(wrap(network, QuantSpec(4, 4, Coverage.FULL)), picture)}
    inner = rows["last:input"]
    assert inner.correlation > 0.9
    assert inner.chroma > inner.luma > 0.0


@pytest.mark.parametrize("name", ["SwinIR", "EDSR", "RCAN"])
def test_sites_on_the_pixel_grid_are_found(name: str) -> None:
    model = wrap(random_network(name), QuantSpec(4, 4, Coverage.FULL))
    rows = outlier_colour(model, CALIBRATION.patches(1, 16, seed=0))
    assert "conv_first:input" in {row.site for row in rows}
    assert all(-1.0 <= row.correlation <= 1.0 and row.lower <= row.upper for row in rows)
    if name == "SwinIR":
        assert "layers.0.residual_group.blocks.0.mlp.fc1:input" in {row.site for row in rows}


@pytest.mark.parametrize("outliers", [0.0, 100.0, -1.0])
def test_impossible_shares_of_outliers(outliers: float, patches: Tensor) -> None:
    with pytest.raises(SpecError, match="outliers"):
        outlier_colour(wrap(random_network("SwinIR"), SPEC), patches, outliers=outliers)
