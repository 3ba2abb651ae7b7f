"""SPAN, convolutional blocks with attention that has no parameters, and its official checkpoints.

While it is trained each convolution is a sum of branches; they are folded into one convolution here, as its authors do
for evaluation.
"""

# Calls of submodules are typed Any by torch.
# mypy: disable-error-code="no-any-return"
from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad, silu

from intaglio.arch.entry import Entry, Naming, State, count, shape
from intaglio.arch.layers import colour_mean
from intaglio.arch.network import SRNetwork
from intaglio.arch.options import number
from intaglio.arch.upsample import scale_at_once, shuffle_at_once
from intaglio.errors import CheckpointError

BRANCHED = re.compile(r"(.+)\.(sk|conv\.\d|eval_conv)\.(weight|bias)")


@dataclass(frozen=True)
class SPANConfig:
    """Hyper-parameters of SPAN; the defaults are those of the published network.

    Where it is `normalised`, the DIV2K mean is subtracted from the picture, which is then multiplied by
    `input_range`; what comes out is in [0, 1] in any case. No tensor shows `input_range`: loading assumes 255.

    Raises: CheckpointError where there are too few blocks (remedy: another copy).
    """

    scale: int
    in_channels: int = 3
    features: int = 48
    blocks: int = 6
    normalised: bool = True
    input_range: float = 255.0

    pixel_range: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        if self.blocks < 2:
            raise CheckpointError(f"SPAN with {self.blocks} block is refused; two are needed, take another copy.")


class AttentionBlock(nn.Module):
    """Three convolutions whose outcome, about zero, weighs itself and the input (SPAN, equation 5)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.c1_r = nn.Conv2d(features, features, 3, padding=1)
        self.act1 = nn.SiLU()
        self.c2_r = nn.Conv2d(features, features, 3, padding=1)
        self.c3_r = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Shapes: (N, C, H, W) to the same."""
        return self.attended(x, self.act1(self.c1_r(x)))

    def attended(self, x: Float[Tensor, "n c h w"], first: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """The rest of the block, from its input and its first activations."""
        found = self.c3_r(silu(self.c2_r(first)))
        return (found + x) * (found.sigmoid() - 0.5)


class SPAN(SRNetwork):
    """SPAN (Wan et al., CVPRW 2024), winner of the NTIRE 2024 challenge on efficiency."""

    architecture = "SPAN"
    config: SPANConfig

    def __init__(self, config: SPANConfig) -> None:
        super().__init__(config)
        features, channels = config.features, config.in_channels
        if not config.normalised:
            self.register_buffer("no_norm", torch.zeros(1))  # the official mark of such networks
        self.register_buffer("mean", colour_mean(channels), persistent=False)
        self.mean: Tensor
        self.conv_1 = nn.Conv2d(channels, features, 3, padding=1)
        self.block_names = tuple(f"block_{index}" for index in range(1, config.blocks + 1))
        for name in self.block_names:
            self.add_module(name, AttentionBlock(features))
        self.conv_cat = nn.Conv2d(4 * features, features, 1)
        self.conv_2 = nn.Conv2d(features, features, 3, padding=1)
        self.upsampler = shuffle_at_once(config.scale, features, channels)

    def upscale(self, image: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c height width"]:
        if self.config.normalised:
            image = (image - self.mean) * self.config.input_range
        shallow = self.conv_1(image)
        outputs = [shallow]
        for name in self.block_names[:-1]:
            outputs.append(self.get_submodule(name)(outputs[-1]))
        last = self.get_submodule(self.block_names[-1])
        assert isinstance(last, AttentionBlock)
        first = last.act1(last.c1_r(outputs[-1]))
        deep = self.conv_2(last.attended(outputs[-1], first))
        return self.upsampler(self.conv_cat(torch.cat((shallow, deep, outputs[1], first), dim=1)))

    def feature_taps(self) -> tuple[str, ...]:
        """All blocks but the last, of which two parts are used; outputs are (N, C, H, W)."""
        return self.block_names[:-1]

    def first_and_last(self) -> tuple[str, str]:
        return "conv_1", "upsampler.0"


def config_from(state: State) -> SPANConfig:
    """The hyper-parameters, from shapes; raises CheckpointError where these make no sense."""
    features, in_channels = shape(state, "conv_1.weight", 4)[:2]
    return SPANConfig(
        scale=scale_at_once(state, "upsampler.0.weight", in_channels),
        in_channels=in_channels,
        features=features,
        blocks=count(state, "block_", first=1),
        normalised="no_norm" not in state,
    )


def from_official(state: State) -> dict[str, Tensor]:
    """The state dict with the branches of every convolution folded; raises CheckpointError where one is missing."""
    result = {key: value for key, value in state.items() if not BRANCHED.fullmatch(key)}
    for name in sorted({match[1] for match in map(BRANCHED.fullmatch, state) if match}):
        result[f"{name}.weight"], result[f"{name}.bias"] = folded_branches(state, name)
    return result


def folded_branches(state: State, name: str) -> tuple[Float[Tensor, "out in 3 3"], Float[Tensor, " out"]]:
    """One 3 x 3 convolution that does what three in a row (1 x 1, 3 x 3, 1 x 1) and a 1 x 1 beside them do together.

    Raises: CheckpointError if one of them is missing or misshapen (remedy: another copy).
    """
    weights, biases = [], []
    for part, size in (("conv.0", 1), ("conv.1", 3), ("conv.2", 1), ("sk", 1)):
        if shape(state, f"{name}.{part}.weight", 4)[2:] != (size, size):
            raise CheckpointError(f"'{name}.{part}.weight' should be {size} x {size} pixels; take another copy.")
        shape(state, f"{name}.{part}.bias", 1)
        weights.append(state[f"{name}.{part}.weight"].double())
        biases.append(state[f"{name}.{part}.bias"].double())
    narrow, wide, last, beside = weights
    if len(narrow) != wide.shape[1] or len(wide) != last.shape[1] or beside.shape[:2] != (len(last), narrow.shape[1]):
        raise CheckpointError(f"the branches of '{name}' do not fit each other; take another copy.")
    inner = torch.einsum("mi,omyx->oiyx", narrow[..., 0, 0], wide)
    weight = conv2d(inner.transpose(0, 1), last).transpose(0, 1) + pad(beside, (1, 1, 1, 1))
    bias = last[..., 0, 0] @ (wide.sum((2, 3)) @ biases[0] + biases[1]) + biases[2] + biases[3]
    return weight.float(), bias.float()


ENTRY = Entry(
    name="SPAN",
    paper="Wan et al., Swift parameter-free attention network for efficient super-resolution, CVPRW 2024",
    namings=(
        Naming("folded", ("conv_1.weight", "block_1.c1_r.weight", "block_1.c3_r.weight", "conv_cat.weight")),
        Naming(
            "official",
            ("conv_1.sk.weight", "block_1.c1_r.sk.weight", "block_1.c3_r.conv.1.weight", "conv_cat.weight"),
            from_official,
        ),
    ),
    config_from=config_from,
    build=SPAN,
    options={"img_range": ("input_range", number)},
)
