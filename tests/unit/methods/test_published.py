"""Published hyper-parameters as their papers print them, and settings that are refused before anything starts.

What every method must hold (levels, determinism, lowering) is tested in `tests/property/methods`, which walks them all.
"""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields

import pytest
import torch

from intaglio.arch.examples import random_network
from intaglio.distill import DistillConfig, FeatureLoss, OutputScale, Schedule, StepUnit
from intaglio.errors import MethodError
from intaglio.methods import METHODS, make_method, quantize
from intaglio.methods.steps import Distill, FitBounds
from intaglio.observe import CalibrationSet, MinMax, OneSidedMse, Percentile, TwoSidedMse, visit_sites
from intaglio.quant import QuantModel, wrap
from intaglio.spec import QuantSpec, Shape

CALIBRATION = CalibrationSet.synthetic(count=2, size=24)
FEW = {"patches": 2, "patch_size": 16}
every_method = pytest.mark.parametrize("name", METHODS)


def steps(name: str) -> tuple[FitBounds, Distill]:
    fit, distill = make_method(name).steps()
    assert isinstance(fit, FitBounds)
    assert isinstance(distill, Distill)
    return fit, distill


def test_2dquant_is_the_paper() -> None:
    """Sections 3.2, 3.3 and 4.1: K = 100, 32 patches of 64, 3000 iterations, Adam (0.9, 0.999), 1e-2, cosine."""
    fit, distill = steps("2dquant")
    assert fit == FitBounds(TwoSidedMse(100), TwoSidedMse(100), OneSidedMse(100), 32, 64)
    config = distill.config
    assert (config.iterations, config.batch, config.learning_rate, config.schedule) == (3000, 32, 1e-2, Schedule.COSINE)
    assert (config.beta1, config.beta2) == (0.9, 0.999)
    assert (config.output_scale, config.feature_loss) == (OutputScale.MEAN, FeatureLoss.PAPER)


def test_2dquant_release_is_the_released_code() -> None:
    """docs/methods/2dquant-release.md."""
    fit, distill = steps("2dquant-release")
    assert fit == FitBounds(TwoSidedMse(100), TwoSidedMse(100), TwoSidedMse(100), 32, 64)
    assert distill.config == DistillConfig(
        iterations=4000, batch=16, learning_rate=1e-2, beta1=0.9, beta2=0.99, schedule=Schedule.CONSTANT,
        step_unit=StepUnit.ABSOLUTE, output_scale=OutputScale.PER_ELEMENT, feature_loss=FeatureLoss.RELEASE,
        feature_weight=5.0,
    )  # fmt: skip


def test_percentile_clips_activations_only() -> None:
    (fit,) = make_method("percentile", {"tail": 1.0}).steps()
    assert fit == FitBounds(MinMax(), Percentile(1.0), Percentile(1.0), 32, 64)


def squared_errors(model: QuantModel) -> dict[str, float]:
    patches = CALIBRATION.patches(FEW["patches"], FEW["patch_size"], seed=0)
    quantizers = {name: model.quantizer(name) for name in model.sites}
    unset = wrap(random_network("SwinIR"), model.spec)
    return visit_sites(unset, patches, lambda site, x: float((quantizers[site.name](x) - x).square().sum()))


def test_dobi_errs_no_more_than_min_max_at_any_site_and_keeps_one_sided_minima() -> None:
    dobi, minmax = (
        quantize(random_network("SwinIR"), QuantSpec(3, 3), make_method(name, FEW), CALIBRATION).model
        for name in ("dobi", "minmax")
    )
    ours, theirs = squared_errors(dobi), squared_errors(minmax)
    # MinMax is the first candidate; sums over some thousand values in single precision
    assert all(ours[name] <= theirs[name] * (1 + 1e-4) for name in ours)
    assert sum(ours.values()) < sum(theirs.values())
    one_sided = [site.name for site in dobi.sites.values() if site.shape is Shape.ONE_SIDED]
    assert len(one_sided) == 2 * 2
    for name in one_sided:
        assert torch.equal(dobi.affine()[name].lower, minmax.affine()[name].lower)


@every_method
def test_defaults_are_frozen_and_complete(name: str) -> None:
    method = make_method(name)
    for field in fields(method):  # type: ignore[arg-type]
        with pytest.raises(FrozenInstanceError):
            setattr(method, field.name, 0)
    assert method == make_method(name), "methods are values"


@every_method
def test_unknown_settings_are_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(MethodError, match=r"has no setting 'nonsense'; it has .*patch_size"):
        make_method(name, {"nonsense": 1})


@every_method
def test_settings_of_the_wrong_kind_are_refused_by_name(name: str) -> None:
    for field in fields(METHODS[name].make):  # type: ignore[arg-type]
        with pytest.raises(MethodError, match=rf"setting '{field.name}' of '{name}'"):
            make_method(name, {field.name: object()})
        if isinstance(field.default, int):
            with pytest.raises(MethodError, match=rf"'{field.name}' of '{name}' is True; give a value of type int"):
                make_method(name, {field.name: True})


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("percentile", {"tail": 50.0}), ("2dquant", {"iterations": -1}), ("2dquant", {"batch": 0}),
        ("2dquant", {"learning_rate": 0}), ("2dquant-release", {"batch": -2}),
    ],
)  # fmt: skip
def test_settings_outside_their_domain_are_refused_at_once(name: str, setting: dict[str, float]) -> None:
    with pytest.raises(MethodError, match=rf"method '{name}'"):
        make_method(name, setting)


def test_unknown_methods_are_refused_with_those_there_are() -> None:
    with pytest.raises(MethodError, match=rf"no method is called 'gptq'; there are {', '.join(METHODS)}"):
        make_method("gptq")
