"""ESRGAN's checkpoints under all three namings, against networks drawn as those codes do, and Real-ESRGAN's."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from intaglio.arch import from_state_dict, load
from intaglio.arch.compact import Activation, CompactConfig, SRVGGNetCompact
from intaglio.arch.rrdbnet import RRDBNet, RRDBNetConfig
from intaglio.errors import CheckpointError

PICTURE = torch.rand(2, 3, 6, 9, generator=torch.Generator().manual_seed(5))


def conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class Dense(nn.Module):
    """A dense block of the oldest code: each convolution is the first member of a sequence."""

    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        for number in range(1, 6):
            out = width if number == 5 else growth
            setattr(self, f"conv{number}", nn.Sequential(conv(width + (number - 1) * growth, out)))

    def forward(self, x: Tensor) -> Tensor:
        parts = [x]
        for layer in (self.conv1, self.conv2, self.conv3, self.conv4):
            parts.append(functional.leaky_relu(layer(torch.cat(parts, 1)), 0.2))
        return self.conv5(torch.cat(parts, 1)) * 0.2 + x


class Residual(nn.Module):
    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.RDB1, self.RDB2, self.RDB3 = (Dense(width, growth) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        return self.RDB3(self.RDB2(self.RDB1(x))) * 0.2 + x


class Shortcut(nn.Module):
    def __init__(self, *members: nn.Module) -> None:
        super().__init__()
        self.sub = nn.Sequential(*members)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.sub(x)


class OldestESRGAN(nn.Module):
    """One flat sequence: first convolution, trunk, doublings, two convolutions."""

    def __init__(self, doublings: int, width: int = 6, growth: int = 3, blocks: int = 2) -> None:
        super().__init__()
        trunk = Shortcut(*(Residual(width, growth) for _ in range(blocks)), conv(width, width))
        ups = [part for _ in range(doublings) for part in (nn.Upsample(scale_factor=2), conv(width, width), lrelu())]
        self.model = nn.Sequential(conv(3, width), trunk, *ups, conv(width, width), lrelu(), conv(width, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


def lrelu() -> nn.Module:
    return nn.LeakyReLU(0.2)


@pytest.mark.parametrize("doublings", [0, 1, 2, 3])
def test_the_oldest_code_gives_the_same_picture(doublings: int) -> None:
    torch.manual_seed(doublings)
    theirs = OldestESRGAN(doublings)
    ours = from_state_dict(theirs.state_dict())
    assert ours.config == RRDBNetConfig(scale=2**doublings, features=6, growth=3, blocks=2)
    with torch.inference_mode():
        assert torch.equal(ours(PICTURE), theirs(PICTURE))


def test_names_of_the_first_release_are_translated() -> None:
    ours = RRDBNet(RRDBNetConfig(scale=4, features=6, growth=3, blocks=2)).eval()
    pairs = (("conv_body", "trunk_conv"), ("body.", "RRDB_trunk."), (".rdb", ".RDB"), ("conv_hr", "HRconv"))
    state = {}
    for key, value in ours.state_dict().items():
        for new, old in (*pairs, ("conv_up", "upconv")):
            key = key.replace(new, old)
        state[key] = value
    assert "RRDB_trunk.1.RDB3.conv5.weight" in state
    again = from_state_dict(state)
    assert again.config == ours.config
    with torch.inference_mode():
        assert torch.equal(again(PICTURE), ours(PICTURE))


def test_members_that_are_no_such_sequence_are_refused() -> None:
    state = OldestESRGAN(2).state_dict()
    state["model.7.weight"] = state.pop("model.6.weight")
    with pytest.raises(CheckpointError, match=r"members \[0, 1, 3, 6, 7, 8, 10\] are not those of an ESRGAN"):
        from_state_dict(state)


@pytest.mark.parametrize("unshuffle", [2, 4])
def test_pixels_become_channels_in_squares(unshuffle: int) -> None:
    theirs = OldestESRGAN(2)
    theirs.model[0] = conv(3 * unshuffle**2, 6)
    ours = from_state_dict(theirs.state_dict())
    assert ours.config == RRDBNetConfig(scale=4 // unshuffle, features=6, growth=3, blocks=2, unshuffle=unshuffle)
    picture = PICTURE[..., :4, :8]
    with torch.inference_mode():
        assert torch.equal(ours(picture), theirs(functional.pixel_unshuffle(picture, unshuffle)))


def test_first_and_last_convolution_must_fit() -> None:
    state = RRDBNet(RRDBNetConfig(scale=4, features=4, growth=3, blocks=1)).state_dict()
    state["conv_first.weight"] = torch.zeros(4, 5, 3, 3)
    with pytest.raises(CheckpointError, match=r"does not fit 'conv_last\.weight'"):
        from_state_dict(state)


def test_an_activation_without_weights_is_asked_for() -> None:
    config = CompactConfig(scale=2, features=4, convolutions=1, activation=Activation.LEAKY_RELU)
    state = SRVGGNetCompact(config).state_dict()
    with pytest.raises(CheckpointError, match="shows its setting 'activation', what follows each convolution"):
        from_state_dict(state)
    assert from_state_dict(state, overrides={"activation": Activation.LEAKY_RELU}).config == config


def test_a_gap_between_convolutions_is_refused() -> None:
    state = SRVGGNetCompact(CompactConfig(scale=2, features=4, convolutions=3)).state_dict()
    broken = {key: value for key, value in state.items() if not key.startswith("body.4.")}
    with pytest.raises(CheckpointError, match="every second member"):
        from_state_dict(broken)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("realesr_general_x4v3", CompactConfig(scale=4)),
        ("realesr_animevideov3_x4", CompactConfig(scale=4, convolutions=16)),
        ("realesrgan_x4plus_anime_6b", RRDBNetConfig(scale=4, blocks=6)),
    ],
)
def test_published_networks_are_recognised(shared: Path, name: str, config: object) -> None:
    assert load(shared / "weights" / f"{name}.safetensors").config == config
