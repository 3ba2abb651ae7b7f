"""What is refused before a program is made, and how float parameters are rounded on the way."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from torch import nn

from intaglio.arch import REGISTRY, SRNetwork
from intaglio.arch.examples import SMALL, random_network
from intaglio.errors import CalibrationError, EngineError, LoweringError
from intaglio.lower import FloatDtype, lower, require_lowerable, simulator
from intaglio.packed.program import Op, Program
from intaglio.packed.validate import validate
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


class Sorts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x).sort(dim=1).values


def test_an_operator_that_programs_lack_is_named_with_its_module_and_line() -> None:
    model = calibrated(nn.Sequential(Sorts(), nn.Conv2d(3, 3, 1)))
    line = Sorts.forward.__code__.co_firstlineno + 1
    with pytest.raises(LoweringError, match=rf"aten\.sort\.default, 1 times, first in 0 \(test_lower\.py:{line}\)"):
        lower(model)


def test_a_network_is_refused_before_it_is_calibrated() -> None:
    with pytest.raises(LoweringError, match="sort"):
        require_lowerable(wrap(nn.Sequential(Sorts(), nn.Conv2d(3, 3, 1)), SPEC))
    program = require_lowerable(wrap(random_network("EDSR"), SPEC))
    validate(program)
    assert [op.kind for op in program.ops] == [op.kind for op in lower(calibrated(random_network("EDSR"))).ops]


@pytest.mark.parametrize("name", [name for name in SMALL if "in_channels" in {one.name for one in fields(SMALL[name])}])
def test_gray_networks_lower(name: str) -> None:
    entry = next(entry for entry in REGISTRY if entry.name == name)
    network = entry.build(replace(SMALL[name], in_channels=1)).eval().requires_grad_(False)
    program = require_lowerable(wrap(network, SPEC))
    assert program.ops[0].integer("channels") == 1


def test_a_quantizer_off_the_affine_grid_is_refused() -> None:
    class Signs(Quantizer):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.sign()

    model = calibrated(random_network("EDSR"))
    model.set_quantizer("body.0.conv1:input", Signs())
    with pytest.raises(LoweringError, match=r"'body.0.conv1:input', a Signs: "):
        lower(model)


def test_a_tensor_beyond_half_precision_is_kept_in_single() -> None:
    network = random_network("EDSR")
    network.get_submodule("body.1.conv2").bias.fill_(1e5)
    model = calibrated(network)
    assert (simulator(model).network.get_submodule("body.1.conv2").bias == 1e5).all()
    assert float(ops(lower(model))["body.1.conv2"].tensors["bias"][0]) == 1e5


@pytest.mark.parametrize("float_dtype", FloatDtype)
def test_simulator_rounds_what_stays_float_and_nothing_else(float_dtype: FloatDtype) -> None:
    model = calibrated(random_network("SRResNet"))
    rounded = simulator(model, float_dtype).network
    pairs = list(zip(model.network.named_parameters(), rounded.parameters(), strict=True))
    assert len(pairs) > 20
    for (name, before), after in pairs:
        as_stored = name.endswith("bias") or "prelu" in name
        expected = before.half().float() if as_stored and float_dtype is FloatDtype.FLOAT16 else before
        assert torch.equal(after, expected), name


@pytest.mark.parametrize("name", FEATURES)
def test_the_ends_carry_range_and_mean(name: str) -> None:
    network = random_network(name)
    program = lower(calibrated(network))
    first, last = program.ops[0], program.ops[-1]
    mean = (0.4488, 0.4371, 0.4040) if name in ("EDSR", "RCAN") else (0.0, 0.0, 0.0)
    for op in (first, last):
        assert op.real("range") == network.pixel_range
        # two roundings in single precision, relative: of the mean, and of mean * 255
        assert op.reals("mean") == pytest.approx(mean, rel=2.0**-22)
    assert first.integer("multiple") == 1
    assert program.scale == network.scale


def test_res_scale_is_an_operation_before_the_sum() -> None:
    program = ops(lower(calibrated(random_network("EDSR"))))
    (scaled,) = {name for name in program["body.0.add"].inputs if program[name].kind == "affine"}
    assert program[scaled].real("scale") == SMALL["EDSR"].res_scale
    assert program[scaled].inputs == ("body.0.conv2",)


def test_activations_come_before_pixel_shuffles() -> None:
    network = random_network("SRResNet")
    network.get_submodule("upsample.0.prelu").weight.fill_(0.375)
    program = ops(lower(calibrated(network)))
    (shuffle,) = (op for op in program.values() if op.kind == "pixel_shuffle")
    assert program[shuffle.inputs[0]].attrs["function"] == "prelu"
    assert program[shuffle.inputs[0]].tensors["weight"].tolist() == [0.375]


def test_channel_attention_reads_the_branch_and_not_the_skip() -> None:
    program = ops(lower(calibrated(random_network("RCAN"))))
    block = "body.0.residual_group.0"
    (mean,) = (op for op in program.values() if op.kind == "reduce" and op.name.startswith(block))
    assert mean.inputs == (f"{block}.rcab.2",)
    (gated,) = (op for op in program.values() if op.kind == "mul" and op.name.startswith(block))
    assert gated.inputs[0] == f"{block}.rcab.2"


def test_a_swin_block_has_the_form_that_the_engine_fuses() -> None:
    program = require_lowerable(wrap(random_network("SwinIR"), SPEC))
    block = "layers.0.residual_group.blocks.1."
    kinds = [op.kind for op in program.ops if op.name.startswith(block)]
    heads = ["reshape", "reshape", "permute", "affine", "reshape", "permute", "permute"]
    assert kinds == [
        "layer_norm", "roll", "reshape", "permute", "reshape", "linear", "linear", "linear", *heads, "matmul",
        "shift_mask", "position_bias", "reshape", "add", "add", "softmax", "matmul", "permute", "reshape", "linear",
        "reshape", "permute", "reshape", "roll", "add", "layer_norm", "linear", "activation", "linear", "add",
    ]  # fmt: skip
    mask = next(op for op in program.ops if op.kind == "shift_mask")
    assert (mask.integers("window"), mask.integers("shift"), mask.real("value")) == ((4, 4), (2, 2), -100.0)


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
