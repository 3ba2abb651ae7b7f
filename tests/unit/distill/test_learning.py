"""The loop: deterministic, resumable bit by bit, and without traces in teacher or weights."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from intaglio.arch.edsr import EDSRConfig
from intaglio.arch.registry import find
from intaglio.distill import DistillConfig, FeatureLoss, OutputScale, Schedule, StepUnit, distill
from intaglio.distill import loop as loop_module
from intaglio.distill.teacher import Teacher
from intaglio.errors import CalibrationError, ResumeError, SpecError
from intaglio.methods import make_method, quantize
from intaglio.observe import CalibrationSet
from intaglio.quant import QuantModel
from intaglio.spec import Coverage, QuantSpec

CALIBRATION = CalibrationSet.synthetic(count=2, size=24)
PATCHES = CALIBRATION.patches(6, 8, seed=3)
NETWORK = find("EDSR").build(EDSRConfig(scale=2, features=4, blocks=1)).eval().requires_grad_(False)
PAPER = DistillConfig(iterations=8, batch=2, learning_rate=1e-2)
RELEASE = DistillConfig(
    iterations=8, batch=4, beta2=0.99, schedule=Schedule.CONSTANT, step_unit=StepUnit.ABSOLUTE,
    output_scale=OutputScale.PER_ELEMENT, feature_loss=FeatureLoss.RELEASE,
)  # fmt: skip
PLAIN = DistillConfig(iterations=8, batch=3, feature_loss=FeatureLoss.NONE)
variants = pytest.mark.parametrize("config", [PAPER, RELEASE, PLAIN], ids=["paper", "release", "plain"])


START = quantize(
    NETWORK, QuantSpec(2, 2, Coverage.FULL), make_method("minmax", {"patches": 2, "patch_size": 16}), CALIBRATION
).model


def student() -> QuantModel:
    return copy.deepcopy(START)


def bounds(model: QuantModel) -> list[Tensor]:
    return [bound for quantizer in model.affine().values() for bound in (quantizer.lower, quantizer.upper)]


def equal(one: QuantModel, other: QuantModel) -> bool:
    return all(torch.equal(a, b) for a, b in zip(bounds(one), bounds(other), strict=True))


class KilledError(Exception):
    """Stands for a kill between two steps."""


@variants
def test_same_seed_same_bounds(config: DistillConfig) -> None:
    first, second = student(), student()
    losses = distill(first, NETWORK, PATCHES, config)
    assert distill(second, NETWORK, PATCHES, config) == losses
    assert equal(first, second)
    assert not equal(first, student())


@variants
@pytest.mark.parametrize("died_after", [2, 7])
def test_a_killed_run_goes_on_to_the_same_bits(
    config: DistillConfig, died_after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_module, "CHECKPOINT_EVERY", 3)
    whole, resumed = student(), student()
    losses = distill(whole, NETWORK, PATCHES, config)
    checkpoint = tmp_path / "state"

    def die(step: int, loss: float) -> None:
        if step == died_after:
            raise KilledError

    with pytest.raises(KilledError):
        distill(student(), NETWORK, PATCHES, config, checkpoint=checkpoint, on_step=die)
    assert checkpoint.exists() == (died_after > 3)
    steps: list[int] = []
    again = distill(
        resumed, NETWORK, PATCHES, config, checkpoint=checkpoint, on_step=lambda step, loss: steps.append(step)
    )
    assert again == losses
    assert equal(resumed, whole)
    assert steps[0] == 1 + died_after // 3 * 3
    finished, once_more = list[int](), student()
    distill(once_more, NETWORK, PATCHES, config, checkpoint=checkpoint, on_step=lambda step, _: finished.append(step))
    assert finished == []
    assert equal(once_more, whole)


@pytest.mark.parametrize("change", ["settings", "patches", "start"])
def test_the_state_of_another_run_is_refused(change: str, tmp_path: Path) -> None:
    checkpoint = tmp_path / "state"
    distill(student(), NETWORK, PATCHES, PAPER, checkpoint=checkpoint)
    model, patches, config = student(), PATCHES, PAPER
    if change == "settings":
        config = DistillConfig(iterations=8, batch=2, learning_rate=2e-2)
    elif change == "patches":
        patches = PATCHES.flip(0)
    else:
        with torch.no_grad():
            bounds(model)[0].sub_(1e-3)
    with pytest.raises(ResumeError, match="other settings, patches or weights"):
        distill(model, NETWORK, patches, config, checkpoint=checkpoint)


def test_a_damaged_state_is_refused(tmp_path: Path) -> None:
    checkpoint = tmp_path / "state"
    distill(student(), NETWORK, PATCHES, PAPER, checkpoint=checkpoint)
    content = checkpoint.read_bytes()
    for damaged in (b"", b"text", content[: len(content) // 2]):
        checkpoint.write_bytes(damaged)
        with pytest.raises(ResumeError, match="delete it to start again"):
            distill(student(), NETWORK, PATCHES, PAPER, checkpoint=checkpoint)


def test_it_learns() -> None:
    losses = distill(student(), NETWORK, PATCHES, DistillConfig(iterations=25, batch=6, learning_rate=1e-2))
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])


@variants
def test_only_bounds_move_and_nothing_is_left_behind(config: DistillConfig) -> None:
    model = student()
    floats = {key: value.clone() for key, value in model.state_dict().items() if not key.endswith(("lower", "upper"))}
    teacher = {key: value.clone() for key, value in NETWORK.state_dict().items()}
    distill(model, NETWORK, PATCHES, config)
    assert all(torch.equal(model.state_dict()[key], value) for key, value in floats.items())
    assert all(torch.equal(NETWORK.state_dict()[key], value) for key, value in teacher.items())
    assert not any(parameter.requires_grad or parameter.grad is not None for parameter in model.parameters())
    for network in (model, NETWORK):
        assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


def test_no_iterations_change_nothing() -> None:
    model = student()
    assert distill(model, NETWORK, PATCHES, DistillConfig(iterations=0)) == ()
    assert equal(model, student())


def test_a_loss_that_is_not_finite_is_refused_with_a_remedy() -> None:
    class Broken(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return NETWORK(x) * float("nan")

    with pytest.raises(CalibrationError, match="loss at step 1 is nan; choose a smaller learning rate"):
        distill(student(), Broken(), PATCHES, PLAIN)


@pytest.mark.parametrize("wrong", [{"iterations": -1}, {"batch": 0}, {"learning_rate": 0.0}])
def test_settings_out_of_their_domain_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SpecError):
        DistillConfig(**wrong)  # type: ignore[arg-type]


def test_every_patch_is_drawn_once_a_pass() -> None:
    config = DistillConfig(
        iterations=12, batch=4
    )  # 48 draws from 6 patches: 8 passes, batches reaching over their ends
    drawn = torch.cat([indices for _, indices in loop_module._batches(config.loop(), 6, start=0)]).view(8, 6)
    assert all(sorted(one_pass.tolist()) == list(range(6)) for one_pass in drawn)
    assert len({tuple(one_pass.tolist()) for one_pass in drawn}) > 1
    late = [indices for _, indices in loop_module._batches(config.loop(), 6, start=7)]
    assert torch.equal(torch.cat(late), drawn.flatten()[28:])


@pytest.mark.parametrize("fitting", [0, 2, 6])
def test_cached_targets_are_those_computed_anew(fitting: int) -> None:
    taps, order = NETWORK.feature_taps(), torch.tensor([4, 0, 4, 5])
    anew = [Teacher(NETWORK, PATCHES, taps, cache_bytes=0).targets(index[None]) for index in order]
    teacher = Teacher(NETWORK, PATCHES, taps, cache_bytes=fitting * anew[0].nbytes)
    for target in (teacher.targets(order), teacher.targets(order)):
        for position, alone in enumerate(anew):
            assert torch.equal(target.output[position], alone.output[0])
            assert all(torch.equal(a[position], b[0]) for a, b in zip(target.features, alone.features, strict=True))
    assert len(teacher._cache) == min(fitting, 3)
