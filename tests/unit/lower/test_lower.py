"""What is refused before a program is made, and how float parameters are rounded on the way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from intaglio.arch import REGISTRY, SRNetwork
from intaglio.arch.examples import SMALL, random_network
from intaglio.errors import CalibrationError, EngineError, LoweringError
from intaglio.lower import LOWERINGS, Remainder, lower, simulator
from intaglio.lower.builder import Builder
from intaglio.packed.program import Op, Program
from intaglio.quant import Quantizer, QuantModel, wrap
from intaglio.runtime.reference import Reference
from intaglio.spec import Bounds, Coverage, QuantSpec

SPEC = QuantSpec(4, 4, Coverage.FULL)
FEATURES = ("EDSR", "RCAN", "RLFN", "MSRResNet", "SRResNet")


def calibrated(network: nn.Module, spec: QuantSpec = SPEC) -> QuantModel:
    model = wrap(network, spec)
    for name in model.sites:
        model.set_bounds(name, Bounds(-1.0, 1.5))
    return model


def ops(program: Program) -> dict[str, Op]:
    return {op.name: op for op in program.ops}


def test_an_uncalibrated_model_is_refused() -> None:
    with pytest.raises(CalibrationError, match="run a method first"):
        lower(wrap(random_network("EDSR"), SPEC))


def test_a_network_without_a_lowering_is_named_with_a_remedy() -> None:
    model = calibrated(nn.Sequential(nn.Conv2d(3, 12, 3, padding=1), nn.PixelShuffle(2)))
    with pytest.raises(LoweringError, match=r"Sequential has no lowering .* evaluate it in simulation"):
        lower(model)


@pytest.mark.parametrize("name", sorted(LOWERINGS))
def test_gray_networks_are_refused(name: str) -> None:
    entry = next(entry for entry in REGISTRY if entry.name == name)
    model = calibrated(entry.build(replace(SMALL[name], in_channels=1)))
    with pytest.raises(LoweringError, match="takes 1 channels"):
        lower(model)


def test_a_quantizer_off_the_affine_grid_is_refused() -> None:
    class Signs(Quantizer):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.sign()

    model = calibrated(random_network("EDSR"))
    model.set_quantizer("body.0.conv1:input", Signs())
    with pytest.raises(LoweringError, match=r"'body.0.conv1:input', a Signs: "):
        lower(model)


def test_values_beyond_half_precision_are_refused_by_name() -> None:
    network = random_network("EDSR")
    network.get_submodule("body.1.conv2").bias.fill_(1e5)
    model = calibrated(network)
    with pytest.raises(LoweringError, match=r"'body.1.conv2.bias' .* single precision"):
        lower(model)
    assert float(ops(lower(model, Remainder.SINGLE))["body.1.conv2"].tensors["bias"][0]) == 1e5


@pytest.mark.parametrize(
    "conv", [nn.Conv2d(4, 4, 3, groups=2), nn.Conv2d(4, 4, 3, dilation=2), nn.Conv2d(4, 4, (3, 1))]
)
def test_convolutions_that_the_engine_lacks_are_refused(conv: nn.Conv2d) -> None:
    with pytest.raises(LoweringError, match="grouped, dilated or not square"):
        Builder().conv("conv", conv, "x")


@pytest.mark.parametrize("remainder", Remainder)
def test_simulator_rounds_what_stays_float_and_nothing_else(remainder: Remainder) -> None:
    model = calibrated(random_network("SRResNet"))
    rounded = simulator(model, remainder).network
    pairs = list(zip(model.network.named_parameters(), rounded.parameters(), strict=True))
    assert len(pairs) > 20
    for (name, before), after in pairs:
        as_stored = name.endswith("bias") or "prelu" in name
        expected = before.half().float() if as_stored and remainder is Remainder.HALF else before
        assert torch.equal(after, expected), name


@pytest.mark.parametrize("name", FEATURES)
def test_the_ends_carry_range_and_mean(name: str) -> None:
    network = random_network(name)
    program = lower(calibrated(network))
    first, last = program.ops[0], program.ops[-1]
    mean = (0.4488, 0.4371, 0.4040) if name in ("EDSR", "RCAN") else (0.0, 0.0, 0.0)
    for op in (first, last):
        assert op.real("range") == network.pixel_range
        # one rounding of mean * 255 in single precision, relative
        assert op.reals("mean") == pytest.approx(mean, rel=2.0**-23)
    assert first.integer("multiple") == 1
    assert program.scale == network.scale


def test_res_scale_is_the_scale_of_the_sum() -> None:
    program = ops(lower(calibrated(random_network("EDSR"))))
    assert program["body.0.sum"].real("scale") == SMALL["EDSR"].res_scale
    assert program["sum"].real("scale") == 1.0


def test_one_prelu_slope_serves_every_channel() -> None:
    network = random_network("SRResNet")
    network.prelu_first.weight.fill_(0.375)
    slopes = ops(lower(calibrated(network)))["conv_first"].tensors["prelu"]
    assert np.array_equal(slopes, np.full(SMALL["SRResNet"].features, 0.375, dtype=np.float32))


def test_channel_attention_reads_the_branch_and_not_the_skip() -> None:
    program = ops(lower(calibrated(random_network("RCAN"))))
    block = "body.0.residual_group.0"
    assert program[f"{block}.rcab.3.attention.0"].inputs == (f"{block}.rcab.2",)
    assert program[f"{block}.rcab.3"].inputs == (f"{block}.rcab.2", f"{block}.rcab.3.attention.3")


@pytest.mark.parametrize("shape", [(14, 40, 3), (40, 14, 3), (1, 1, 3)])
def test_pictures_too_small_for_spatial_attention_are_refused_by_the_program(shape: tuple[int, int, int]) -> None:
    reference = Reference(lower(calibrated(random_network("RLFN"))))
    with pytest.raises(EngineError, match="too small for this network; enlarge it"):
        reference(np.zeros(shape, dtype=np.uint8))
    assert reference(np.zeros((15, 15, 3), dtype=np.uint8)).shape == (30, 30, 3)


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
@pytest.mark.parametrize("name", FEATURES)
def test_every_scale_lowers(name: str, scale: int) -> None:
    if name == "MSRResNet" and scale == 8:
        pytest.skip("MSRResNet has no scale 8")
    entry = next(entry for entry in REGISTRY if entry.name == name)
    network: SRNetwork = entry.build(replace(SMALL[name], scale=scale)).eval()
    image = np.zeros((16, 15, 3), dtype=np.uint8)
    assert Reference(lower(calibrated(network)))(image).shape == (16 * scale, 15 * scale, 3)
