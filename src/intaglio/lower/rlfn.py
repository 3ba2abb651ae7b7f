"""RLFN as an integer program.

Pictures with a side under 15 pixels, which the float network mirrors up, are refused by the engine: a program pads to
multiples, not to a least size.
"""

from __future__ import annotations

from intaglio.arch.rlfn import RLFN, SLOPE, LocalBlock, SpatialAttention
from intaglio.lower.builder import Builder
from intaglio.lower.residual import emit_picture, pixels_of
from intaglio.lower.swinir import emit_stages


def emit_rlfn(builder: Builder, network: RLFN) -> None:
    """Append all operations of a quantized RLFN, from picture to picture."""
    pixels = pixels_of(network.pixel_range)
    shallow = x = builder.conv("conv_1", network.conv_1, emit_picture(builder, pixels))
    for name in network.block_names:
        block = network.get_submodule(name)
        assert isinstance(block, LocalBlock)
        x = emit_local_block(builder, name, block, x)
    x = builder.conv("conv_2", network.conv_2, x)
    x = builder.emit("add", "sum", (shallow, x), {"scale": 1.0})
    builder.emit("output", "output", (emit_stages(builder, network.upsampler, x, "upsampler"),), pixels)


def emit_local_block(builder: Builder, path: str, block: LocalBlock, x: str) -> str:
    """Three convolutions with a residual, a pointwise convolution, spatial attention."""
    y = x
    for name in ("c1_r", "c2_r", "c3_r"):
        y = builder.conv(f"{path}.{name}", block.get_submodule(name), y, "leaky_relu", SLOPE)
    y = builder.emit("add", f"{path}.sum", (x, y), {"scale": 1.0})
    return emit_spatial_attention(builder, f"{path}.esa", block.esa, builder.conv(f"{path}.c5", block.c5, y))


def emit_spatial_attention(builder: Builder, path: str, attention: SpatialAttention, x: str) -> str:
    """Every pixel and channel weighted by a gate from a coarse, wide view."""
    narrow = builder.conv(f"{path}.conv1", attention.conv1, x)
    coarse = builder.conv(f"{path}.conv2", attention.conv2, narrow)
    pool = attention.pool
    assert isinstance(pool.kernel_size, int)
    assert isinstance(pool.stride, int)
    coarse = builder.emit("max_pool", f"{path}.pool", (coarse,), {"kernel": pool.kernel_size, "stride": pool.stride})
    coarse = builder.conv(f"{path}.conv3", attention.conv3, coarse)
    spread = builder.emit("bilinear", f"{path}.spread", (coarse, narrow))
    skip = builder.conv(f"{path}.conv_f", attention.conv_f, narrow)
    both = builder.emit("add", f"{path}.sum", (spread, skip), {"scale": 1.0})
    gate = builder.conv(f"{path}.conv4", attention.conv4, both, "sigmoid")
    return builder.emit("mul", f"{path}.product", (x, gate))
