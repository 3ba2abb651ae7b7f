"""SRResNet as an integer program; its PReLUs have one slope for all channels, programs have one for each."""

from __future__ import annotations

from torch import nn

from intaglio.arch.srresnet import PReLUBlock, PReLUShuffle, SRResNet
from intaglio.lower.builder import Builder
from intaglio.lower.residual import emit_picture, pixels_of
from intaglio.quant.layers import QuantConv2d


def emit_srresnet(builder: Builder, network: SRResNet) -> None:
    """Append all operations of a quantized SRResNet, from picture to picture."""
    pixels = pixels_of(network.pixel_range)
    picture = emit_picture(builder, pixels)
    shallow = x = emit_conv_prelu(builder, "conv_first", network.conv_first, network.prelu_first, picture)
    for index, block in enumerate(network.body):
        assert isinstance(block, PReLUBlock)
        x = emit_block(builder, f"body.{index}", block, x)
    x = builder.conv("conv_after_body", network.conv_after_body, x)
    x = builder.emit("add", "sum", (shallow, x), {"scale": 1.0})
    for index, stage in enumerate(network.upsample):
        assert isinstance(stage, PReLUShuffle)
        # With one slope for all channels, PReLU and pixel shuffle commute.
        x = emit_conv_prelu(builder, f"upsample.{index}.conv", stage.conv, stage.prelu, x)
        x = builder.emit("pixel_shuffle", f"upsample.{index}.shuffle", (x,), {"factor": stage.shuffle.upscale_factor})
    builder.emit("output", "output", (builder.conv("conv_last", network.conv_last, x),), pixels)


def emit_block(builder: Builder, path: str, block: PReLUBlock, x: str) -> str:
    """Convolution, PReLU, convolution, added to the input."""
    y = emit_conv_prelu(builder, f"{path}.conv1", block.conv1, block.prelu, x)
    y = builder.conv(f"{path}.conv2", block.conv2, y)
    return builder.emit("add", f"{path}.sum", (x, y), {"scale": 1.0})


def emit_conv_prelu(builder: Builder, path: str, conv: nn.Module, prelu: nn.PReLU, x: str) -> str:
    """A convolution and a PReLU of one slope, which is repeated for every channel."""
    assert isinstance(conv, (nn.Conv2d, QuantConv2d))
    return builder.conv(path, conv, x, "prelu", prelu=prelu.weight.expand(len(conv.weight)))
