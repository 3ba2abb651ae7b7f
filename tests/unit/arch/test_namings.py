"""Checkpoints in the namings of other code bases give the outputs of networks written here as those bases draw them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from intaglio.arch import from_state_dict
from intaglio.arch.edsr import EDSRConfig
from intaglio.arch.rcan import RCANConfig
from intaglio.arch.srresnet import SRResNetConfig
from intaglio.errors import CheckpointError

MEAN = torch.tensor((0.4488, 0.4371, 0.4040))
PICTURE = torch.rand(2, 3, 7, 10, generator=torch.Generator().manual_seed(5))


def conv(inputs: int, outputs: int, size: int = 3, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=bias)


class Residual(nn.Module):
    """`body` added to its input; members of a sequence named ``body``, as in the official EDSR and RCAN."""

    def __init__(self, *body: nn.Module, scale: float = 1.0) -> None:
        super().__init__()
        self.body = nn.Sequential(*body)
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        return x + self.scale * self.body(x)


class Gate(nn.Module):
    """Channel attention of the official RCAN."""

    def __init__(self, width: int, squeezed: int) -> None:
        super().__init__()
        self.conv_du = nn.Sequential(conv(width, squeezed, 1), nn.ReLU(), conv(squeezed, width, 1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        return x * self.conv_du(x.mean((2, 3), keepdim=True))


class HeadBodyTail(nn.Module):
    """The official frame of EDSR and RCAN, on pictures of 0..255."""

    def __init__(self, width: int, scale: int, *blocks: nn.Module) -> None:
        super().__init__()
        self.sub_mean, self.add_mean = conv(3, 3, 1), conv(3, 3, 1)
        for shift, sign in ((self.sub_mean, -1), (self.add_mean, 1)):
            shift.weight.data = torch.eye(3).view(3, 3, 1, 1)
            shift.bias.data = sign * 255 * MEAN
        factors = [3] if scale == 3 else [2] * (scale // 2)
        stages = [part for f in factors for part in (conv(width, width * f * f), nn.PixelShuffle(f))]
        self.head = nn.Sequential(conv(3, width))
        self.body = nn.Sequential(*blocks, conv(width, width))
        self.tail = nn.Sequential(nn.Sequential(*stages), conv(width, 3))

    def forward(self, x: Tensor) -> Tensor:
        x = self.head(self.sub_mean(255 * x))
        return self.add_mean(self.tail(x + self.body(x))) / 255


class NormedBlock(nn.Module):
    """A residual block of the original SRResNet, under SRGAN-PyTorch's names."""

    def __init__(self, width: int) -> None:
        super().__init__()
        first, second = ((conv(width, width, bias=False), nn.BatchNorm2d(width)) for _ in range(2))
        self.rcb = nn.Sequential(*first, nn.PReLU(), *second)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.rcb(x)


class Doubling(nn.Module):
    """An upsampling stage of the original SRResNet, under SRGAN-PyTorch's names."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.upsample_block = nn.Sequential(conv(width, 4 * width), nn.PixelShuffle(2), nn.PReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.upsample_block(x)


class NormedSRResNet(nn.Module):
    """The original SRResNet, under SRGAN-PyTorch's names."""

    def __init__(self, width: int, doublings: int, blocks: int) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(conv(3, width, 9), nn.PReLU())
        self.trunk = nn.Sequential(*(NormedBlock(width) for _ in range(blocks)))
        self.conv2 = nn.Sequential(conv(width, width, bias=False), nn.BatchNorm2d(width))
        self.upsampling = nn.Sequential(*(Doubling(width) for _ in range(doublings)))
        self.conv3 = conv(width, 3, 9)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        return self.conv3(self.upsampling(x + self.conv2(self.trunk(x))))


def edsr(scale: int, width: int, blocks: int, res_scale: float = 1.0) -> HeadBodyTail:
    block = (Residual(conv(width, width), nn.ReLU(), conv(width, width), scale=res_scale) for _ in range(blocks))
    return HeadBodyTail(width, scale, *block).eval()


def rcan(scale: int, width: int, groups: int, blocks: int, squeezed: int) -> HeadBodyTail:
    def block() -> Residual:
        return Residual(conv(width, width), nn.ReLU(), conv(width, width), Gate(width, squeezed))

    members = (Residual(*(block() for _ in range(blocks)), conv(width, width)) for _ in range(groups))
    return HeadBodyTail(width, scale, *members).eval()


def trained_srresnet() -> NormedSRResNet:
    """With statistics, slopes and affine parameters that are not the neutral ones of a fresh network."""
    network = NormedSRResNet(width=6, doublings=2, blocks=2).eval()
    for name, tensor in network.state_dict().items():
        if "running" in name or tensor.ndim == 1:
            tensor.uniform_(0.2, 1.5)
    return network


def assert_same_pictures(mine: nn.Module, theirs: nn.Module) -> None:
    """In double precision, where sums of some hundred terms below 1000 leave errors below 1e-10."""
    with torch.inference_mode():
        torch.testing.assert_close(
            mine.double()(PICTURE.double()), theirs.double()(PICTURE.double()), rtol=0, atol=1e-10
        )


def assert_as_close_as_rounding(mine: nn.Module, theirs: nn.Module) -> None:
    """In single precision, against the exact picture: no worse than the reference itself, with a margin of 8."""
    with torch.inference_mode():
        found, expected = mine(PICTURE), theirs(PICTURE)
        exact = theirs.double()(PICTURE.double())
    tolerance = 8 * float((expected - exact).abs().max())
    torch.testing.assert_close(found.double(), exact, rtol=0, atol=tolerance)


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(11)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_official_edsr_gives_the_same_pictures(scale: int) -> None:
    theirs = edsr(scale, width=5, blocks=3)
    mine = from_state_dict(theirs.state_dict())
    assert mine.config == EDSRConfig(scale, features=5, blocks=3)
    assert_same_pictures(mine, theirs)


def test_large_edsr_scales_its_residuals_by_a_tenth() -> None:
    theirs = edsr(2, width=256, blocks=1, res_scale=0.1)
    assert_same_pictures(from_state_dict(theirs.state_dict()), theirs)


def test_asked_for_residual_scaling_replaces_the_deduced() -> None:
    theirs = edsr(2, width=5, blocks=2, res_scale=0.5)
    assert_same_pictures(from_state_dict(theirs.state_dict(), overrides={"res_scale": 0.5}), theirs)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_official_rcan_gives_the_same_pictures(scale: int) -> None:
    theirs = rcan(scale, width=6, groups=2, blocks=3, squeezed=2)
    mine = from_state_dict(theirs.state_dict())
    assert mine.config == RCANConfig(scale, features=6, groups=2, blocks=3, squeezed=2)
    assert_same_pictures(mine, theirs)


@pytest.mark.parametrize("older", [False, True], ids=["conv1", "conv_block1"])
def test_batch_normalisation_of_the_original_srresnet_is_folded(older: bool) -> None:
    theirs = trained_srresnet()
    state = {
        key.replace("conv", "conv_block", 1) if older and key.startswith("conv") else key: value
        for key, value in theirs.state_dict().items()
    }
    mine = from_state_dict({"state_dict": state})
    assert mine.config == SRResNetConfig(4, features=6, blocks=2)
    assert not any("norm" in name for name in mine.state_dict())
    assert_as_close_as_rounding(mine, theirs)


def test_batch_normalisation_that_is_incomplete_is_named() -> None:
    state = trained_srresnet().state_dict()
    del state["trunk.1.rcb.4.running_var"]
    with pytest.raises(CheckpointError, match=r"lacks 'body.1.norm2.running_var'"):
        from_state_dict(state)


@pytest.mark.parametrize("make", [lambda: edsr(2, 5, 2), lambda: rcan(2, 6, 1, 1, 2)], ids=["EDSR", "RCAN"])
def test_another_mean_or_range_is_refused(make) -> None:
    state = make().state_dict()
    state["sub_mean.bias"] = state["sub_mean.bias"] / 255
    with pytest.raises(CheckpointError, match=r"'sub_mean.bias' is not the mean of DIV2K"):
        from_state_dict(state)


def test_mean_shifts_rounded_to_half_precision_are_accepted() -> None:
    state = {key: value.half() for key, value in edsr(2, 5, 2).state_dict().items()}
    assert from_state_dict(state).architecture == "EDSR"


def test_two_keys_for_one_tensor_are_refused() -> None:
    state = edsr(2, 5, 2).state_dict()
    state["body.7.weight"] = state["body.2.weight"]
    with pytest.raises(CheckpointError, match=r"both stand for 'conv_after_body.weight'"):
        from_state_dict(state)
