"""MSRResNet as an integer program."""

from __future__ import annotations

from intaglio.arch.msrresnet import SLOPE, MSRResNet
from intaglio.arch.residual import ResidualBlock
from intaglio.lower.builder import Builder
from intaglio.lower.residual import emit_picture, emit_residual_block, pixels_of


def emit_msrresnet(builder: Builder, network: MSRResNet) -> None:
    """Append all operations of a quantized MSRResNet, from picture to picture.

    An activation after a pixel shuffle is applied before it, by the convolution: one value at a time, they commute.
    """
    pixels = pixels_of(network.pixel_range)
    picture = emit_picture(builder, pixels)
    x = builder.conv("conv_first", network.conv_first, picture, "leaky_relu", SLOPE)
    for index, block in enumerate(network.body):
        assert isinstance(block, ResidualBlock)
        x = emit_residual_block(builder, f"body.{index}", block, x)
    for name, factor in network.stages.items():
        x = builder.conv(name, network.get_submodule(name), x, "leaky_relu", SLOPE)
        x = builder.emit("pixel_shuffle", f"{name}.shuffle", (x,), {"factor": factor})
    x = builder.conv("conv_hr", network.conv_hr, x, "leaky_relu", SLOPE)
    detail = builder.conv("conv_last", network.conv_last, x)
    base = builder.emit("bilinear_scale", "base", (picture,), {"factor": network.scale})
    builder.emit("output", "output", (builder.emit("add", "sum", (detail, base), {"scale": 1.0}),), pixels)
