"""What lowered convolutional networks share: residual blocks, pixel ranges, and the frame of EDSR and RCAN.

Each network has a file of its own; the operations are emitted by `builder.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import nn

from intaglio.arch.residual import ResidualBlock, ResidualFrame
from intaglio.lower.builder import Builder
from intaglio.lower.swinir import emit_stages
from intaglio.packed.program import Attr

NO_MEAN = (0.0, 0.0, 0.0)

EmitMember = Callable[[Builder, str, nn.Module, str], str]
"""Appends one member of a body: builder, path, module, name of the value read; returns the name of its value."""


def pixels_of(pixel_range: float, mean: tuple[float, ...] = NO_MEAN) -> dict[str, Attr]:
    """Attributes of ``picture`` and ``output``: the value of white, and the mean colour in units of [0, 1]."""
    return {"range": float(pixel_range), "mean": mean}


def emit_picture(builder: Builder, pixels: Mapping[str, Attr]) -> str:
    """The picture at its own size: convolutional networks need no padding."""
    return builder.emit("picture", "picture", (), {**pixels, "multiple": 1})


def emit_residual_block(
    builder: Builder, path: str, block: ResidualBlock, x: str, act: str = "relu", slope: float = 0.0
) -> str:
    """Convolution, activation, convolution, added to the input after scaling."""
    y = builder.conv(f"{path}.conv1", block.conv1, x, act, slope)
    y = builder.conv(f"{path}.conv2", block.conv2, y)
    return builder.emit("add", f"{path}.sum", (x, y), {"scale": float(block.res_scale)})


def emit_frame(builder: Builder, network: ResidualFrame, emit_member: EmitMember) -> None:
    """EDSR and RCAN from picture to picture, around a body whose members `emit_member` appends.

    The mean colour is the two ends' affair; the network keeps it in its own pixel range.
    """
    mean = (network.mean.double() / network.pixel_range).flatten().tolist()
    pixels = pixels_of(network.pixel_range, tuple(mean))
    shallow = x = builder.conv("conv_first", network.conv_first, emit_picture(builder, pixels))
    for index, member in enumerate(network.body):
        x = emit_member(builder, f"body.{index}", member, x)
    x = builder.conv("conv_after_body", network.conv_after_body, x)
    x = builder.emit("add", "sum", (shallow, x), {"scale": 1.0})
    x = emit_stages(builder, network.upsample, x)
    builder.emit("output", "output", (builder.conv("conv_last", network.conv_last, x),), pixels)
