"""What networks compute besides convolutions, operator by operator: program and simulator on networks around each."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.functional import (
    adaptive_avg_pool2d,
    adaptive_max_pool2d,
    avg_pool2d,
    channel_shuffle,
    interpolate,
    max_pool2d,
    pad,
    pixel_shuffle,
    pixel_unshuffle,
)

from intaglio.lower import lowered, simulator
from intaglio.lower.check import check, check_side
from intaglio.quant import adopt, wrap
from intaglio.spec import Bounds, Coverage, QuantSpec

CHANNELS = 8
LEAST_PSNR = 50.0
"""In dB: below the noise of 8-bit codes by far, above what a wrong operator leaves."""


class Around(nn.Module):
    """Two convolutions around a function of a map with 8 channels."""

    def __init__(self, body: Callable[[Tensor], Tensor], **modules: nn.Module) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, CHANNELS, 3, padding=1), nn.Conv2d(CHANNELS, 12, 3, padding=1)
        self.body = body
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x: Tensor) -> Tensor:
        y = self.body(self.first(x) * 2.0)
        return pixel_shuffle(self.last(y), 2)


def in_place(x: Tensor) -> Tensor:
    y = x.clone()
    y[:, 2:5] = y[:, 2:5].square()
    y[:, 4:] *= 0.5
    return y + 1.0


def rolled_windows(x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    x = x.roll((-1, -2), (2, 3)).view(n, c, h // 4, 4, w // 4, 4).permute(0, 2, 4, 3, 5, 1)
    return (
        x.reshape(-1, 16, c).softmax(-1).view(n, h // 4, w // 4, 4, 4, c).permute(0, 5, 1, 3, 2, 4).reshape(n, c, h, w)
    )


def attended(x: Tensor) -> Tensor:
    tokens = x.flatten(2).transpose(1, 2).unflatten(-1, (2, 4)).transpose(1, 2)
    out = functional.scaled_dot_product_attention(tokens, tokens.flip(-1), tokens.abs())
    return out.transpose(1, 2).flatten(2).transpose(1, 2).view(x.shape)


def along_a_line(x: Tensor) -> Tensor:
    weight = torch.linspace(-1, 1, 24).view(8, 1, 3)
    return functional.conv1d(x.flatten(2), weight, groups=8, padding=1).view(x.shape)


def by_equation(x: Tensor) -> Tensor:
    scores = torch.einsum("bchw,bdhw->bcd", x, x.abs()) / 100.0
    return torch.einsum("bcd,bdhw->bchw", scores.softmax(-1), x)


def padded(x: Tensor) -> Tensor:
    h, w = x.shape[2:]
    whole = pad(x, (0, -w % 8, 0, -h % 8), mode="reflect")
    mean = avg_pool2d(whole, 8)
    return mean.repeat_interleave(8, 2).repeat_interleave(8, 3)[..., :h, :w] + x


BODIES: dict[str, Callable[[Tensor], Tensor]] = {
    **{name: getattr(functional, name) for name in ("relu", "gelu", "silu", "mish", "hardswish", "relu6")},
    "hardsigmoid": functional.hardsigmoid,
    **{name: getattr(torch, name) for name in ("sigmoid", "tanh", "square", "abs", "exp", "neg")},
    "leaky_relu": lambda x: functional.leaky_relu(x, 0.1),
    "gelu_tanh": lambda x: functional.gelu(x, approximate="tanh"),
    "softplus": functional.softplus,
    "clamp": lambda x: x.clamp(-0.3, 0.4),
    "clamp_min": lambda x: x.clamp_min(0.01).sqrt(),
    "powers": lambda x: (x.abs() + 1.0) ** -0.5 + x**3 - x.abs().pow(0.5),
    "scalars": lambda x: (2.0 - x) * 0.3 + x / 3.0 - 1.0 / (x.abs() + 1.0),
    "tensors": lambda x: torch.maximum(x, x.roll(1, 1)) / (x.abs() + 0.5) - torch.minimum(x, -x) * x,
    "constants": lambda x: x * torch.arange(8.0).view(1, 8, 1, 1) + torch.linspace(-1, 1, 8).view(8, 1, 1),
    "where": lambda x: torch.where(torch.arange(8).view(8, 1, 1) > 3, x, 0.25),
    "masked": lambda x: x.masked_fill(torch.arange(8).view(8, 1, 1) > 5, float("-inf")).softmax(1),
    "mean": lambda x: x * x.mean((2, 3), keepdim=True) + x.mean(1, keepdim=True),
    "var": lambda x: (x - x.mean(1, keepdim=True)) / (x.var(1, keepdim=True, unbiased=False) + 1e-5).sqrt(),
    "extremes": lambda x: x.amax(1, keepdim=True) - x.amin((2, 3), keepdim=True) + x.sum(1, keepdim=True) + 0.0 * x,
    "normalize": lambda x: functional.normalize(x, dim=1),
    "layer_norm": lambda x: functional.layer_norm(x.permute(0, 2, 3, 1), (8,)).permute(0, 3, 1, 2),
    "group_norm": lambda x: functional.group_norm(x, 2),
    "glu": lambda x: torch.cat([functional.glu(x, 1)] * 2, 1),
    "split": lambda x: torch.cat([part * (i + 1) for i, part in enumerate(x.split([1, 3, 4], 1))], 1),
    "unbind": lambda x: torch.stack(x.unbind(1)[::-1], 1),
    "index": lambda x: x[:, [7, 0, 0, 3, 2, 1, 4, 6]] + x[:, ::2].repeat(1, 2, 1, 1) + x[:, 3:4].expand_as(x),
    "pools": lambda x: interpolate(max_pool2d(x, 2), scale_factor=2) + avg_pool2d(x, 3, 1, 1),
    "adaptive": lambda x: x * adaptive_max_pool2d(x, 1) + adaptive_avg_pool2d(x, 1),
    "resize": lambda x: interpolate(avg_pool2d(x, 4), size=x.shape[2:], mode="bilinear"),
    "bicubic": lambda x: interpolate(avg_pool2d(x, 2), scale_factor=2, mode="bicubic"),
    "shuffles": lambda x: pixel_shuffle(pixel_unshuffle(channel_shuffle(x, 2), 2), 2),
    "unfold": lambda x: functional.unfold(x, 3, padding=1).view(1, 8, 9, -1).mean(2).view(x.shape),
    "pad": lambda x: pad(pad(x, (1, 1, 2, 0)), (0, -2, -2, 0)) + pad(x, (2, 0, 0, 2), "replicate")[..., 2:, :-2],
    "along_a_line": along_a_line,
    "in_place": in_place,
    "rolled_windows": rolled_windows,
    "attended": attended,
    "by_equation": by_equation,
    "padded": padded,
}  # fmt: skip

LAYERS: dict[str, nn.Module] = {
    "grouped": nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=4),
    "reflected": nn.Conv2d(8, 8, (5, 3), padding=(2, 1), padding_mode="reflect"),
    "replicated": nn.Conv2d(8, 8, 3, padding=1, padding_mode="replicate"),
    "transposed": nn.Sequential(nn.Conv2d(8, 8, 2, stride=2), nn.ConvTranspose2d(8, 8, 4, stride=2, padding=1)),
    "batch_norm": nn.Sequential(nn.BatchNorm2d(8), nn.PReLU(8)),
    "one_weight_twice": nn.Sequential(*[nn.Conv2d(8, 8, 1)] * 2),
}


def require_equal(network: nn.Module) -> None:
    """Calibrate to the ranges that occur, lower, and compare on a picture."""
    size = (1, 3, 16, 16)
    torch.manual_seed(1)
    model = wrap(adopt(network, torch.rand(size)), QuantSpec(8, 8, Coverage.FULL))
    for name in model.sites:
        model.set_bounds(name, Bounds(-2.0, 2.5))
    found = lowered(model)
    side = check_side(found, 16)
    image = np.random.default_rng(0).integers(0, 256, (side, 16, 3), dtype=np.uint8)
    report = check(simulator(model), found, image)
    report.require()
    assert report.products > 1
    assert report.picture_psnr > LEAST_PSNR, report


@pytest.mark.parametrize("name", BODIES)
def test_an_operator_in_a_program_computes_what_it_does_in_torch(name: str) -> None:
    torch.manual_seed(0)
    require_equal(Around(BODIES[name]))


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_in_a_program_computes_what_it_does_in_torch(name: str) -> None:
    torch.manual_seed(0)
    network = Around(LAYERS[name])
    require_equal(network)
