"""SPAN and IMDN against networks drawn as their codes do, and networks for other numbers of channels than three."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from intaglio.arch import from_state_dict
from intaglio.arch.edsr import EDSR, EDSRConfig
from intaglio.arch.imdn import IMDN, IMDNConfig
from intaglio.arch.span import SPAN, SPANConfig
from intaglio.errors import CheckpointError
from intaglio.evaluate.torch_upscaler import TorchUpscaler
from intaglio.methods import make_method, quantize
from intaglio.observe import CalibrationSet
from intaglio.spec import Coverage, QuantSpec


class Branches(nn.Module):
    """A convolution of SPAN while it is trained, with the one for evaluation, which is never read, beside it."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.sk = nn.Conv2d(inputs, outputs, 1)
        self.conv = nn.Sequential(
            nn.Conv2d(inputs, 2 * inputs, 1), nn.Conv2d(2 * inputs, 2 * outputs, 3), nn.Conv2d(2 * outputs, outputs, 1)
        )
        self.eval_conv = nn.Conv2d(inputs, outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(functional.pad(x, (1, 1, 1, 1))) + self.sk(x)


def test_branches_are_folded_into_one_convolution() -> None:
    torch.manual_seed(0)
    network = SPAN(SPANConfig(scale=2, features=4, blocks=2))
    state = {
        key: value for key, value in network.state_dict().items() if key.split(".")[0] in ("conv_cat", "upsampler")
    }
    names = ["conv_1", "conv_2", *(f"block_{block}.c{conv}_r" for block in (1, 2) for conv in (1, 2, 3))]
    branches = {name: Branches(network.get_submodule(name).in_channels, 4) for name in names}
    for name, module in branches.items():
        state |= {f"{name}.{key}": value for key, value in module.state_dict().items()}
    found = from_state_dict(state)
    assert found.config == network.config
    with torch.inference_mode():
        for name, module in branches.items():
            x = torch.randn(1, module.sk.in_channels, 6, 7)
            # At the border evaluation sees zeros where training sees the first bias. Weights are rounded once.
            inside = (..., slice(1, -1), slice(1, -1))
            folded, trained = found.get_submodule(name)(x), module(x)
            torch.testing.assert_close(folded[inside], trained[inside], rtol=0, atol=1e-5)


def test_branches_that_do_not_fit_are_refused() -> None:
    state = {f"conv_1.{key}": value for key, value in Branches(3, 4).state_dict().items()}
    state |= {f"block_1.c1_r.{key}": value for key, value in Branches(4, 4).state_dict().items()}
    state |= {f"block_1.c3_r.{key}": value for key, value in Branches(4, 4).state_dict().items()}
    state |= {"conv_cat.weight": torch.zeros(4, 16, 1, 1), "conv_1.conv.1.weight": torch.zeros(8, 5, 3, 3)}
    with pytest.raises(CheckpointError, match="the branches of 'conv_1' do not fit each other"):
        from_state_dict(state)


def imdn_block(state: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    """One block by hand, from its tensors."""

    def conv(part: str, y: Tensor, pad: int = 1) -> Tensor:
        return functional.conv2d(y, state[f"{name}.{part}.weight"], state[f"{name}.{part}.bias"], padding=pad)

    one = functional.leaky_relu(conv("c1", x), 0.05)
    two = functional.leaky_relu(conv("c2", one[:, 2:]), 0.05)
    three = functional.leaky_relu(conv("c3", two[:, 2:]), 0.05)
    joined = torch.cat((one[:, :2], two[:, :2], three[:, :2], conv("c4", three[:, 2:])), 1)
    gate = joined.std((2, 3), keepdim=True, unbiased=False) + joined.mean((2, 3), keepdim=True)
    gate = torch.sigmoid(conv("cca.conv_du.2", torch.relu(conv("cca.conv_du.0", gate, 0)), 0))
    return conv("c5", joined * gate, 0) + x


def test_imdn_block_is_what_its_paper_draws() -> None:
    torch.manual_seed(1)
    network = IMDN(IMDNConfig(scale=2, features=8, blocks=1, squeezed=2)).eval()
    x = torch.randn(2, 8, 5, 6)
    with torch.inference_mode():
        expected = imdn_block(network.state_dict(), "IMDB1", x)
        # Sums of at most 72 products of numbers of order 1.
        torch.testing.assert_close(network.get_submodule("IMDB1")(x), expected, rtol=0, atol=1e-5)


def test_a_gray_network_is_quantized_and_enlarges_colour_pictures() -> None:
    torch.manual_seed(2)
    network = EDSR(EDSRConfig(scale=2, in_channels=1, features=4, blocks=1)).eval()
    calibration = CalibrationSet.synthetic(count=1, size=24)
    method = make_method("minmax", {"patches": 2, "patch_size": 16})
    model = quantize(network, QuantSpec(8, 8, Coverage.FULL), method, calibration).model
    picture = np.ascontiguousarray(calibration.pictures[0][:9, :11])
    simulated = TorchUpscaler(model, 2)(picture)
    assert simulated.shape == (18, 22, 3)
    gray = np.repeat(picture[..., :1], 3, axis=2)
    shown = TorchUpscaler(network, 2)(gray)
    assert np.array_equal(shown[..., 0], shown[..., 1])
    assert np.array_equal(shown[..., 0], shown[..., 2])


def test_four_channels_are_refused_with_what_to_do() -> None:
    state = EDSR(EDSRConfig(scale=2, in_channels=4, features=4, blocks=1)).state_dict()
    with pytest.raises(
        CheckpointError, match=r"reads 4 channels, but pictures are gray \(1\) or RGB \(3\); .* for RGB"
    ):
        from_state_dict(state)
