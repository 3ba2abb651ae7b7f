"""RCAN as an integer program; channel attention runs on one value a channel."""

from __future__ import annotations

from torch import nn

from intaglio.arch.rcan import RCAN, AttentionBlock, ResidualGroup
from intaglio.lower.builder import Builder
from intaglio.lower.residual import emit_frame


def emit_rcan(builder: Builder, network: RCAN) -> None:
    """Append all operations of a quantized RCAN, from picture to picture."""
    emit_frame(builder, network, emit_group)


def emit_group(builder: Builder, path: str, group: nn.Module, x: str) -> str:
    """Attention blocks, a convolution and a residual connection."""
    assert isinstance(group, ResidualGroup)
    y = x
    for index, block in enumerate(group.residual_group):
        assert isinstance(block, AttentionBlock)
        y = emit_attention_block(builder, f"{path}.residual_group.{index}", block, y)
    y = builder.conv(f"{path}.conv", group.conv, y)
    return builder.emit("add", f"{path}.sum", (x, y), {"scale": 1.0})


def emit_attention_block(builder: Builder, path: str, block: AttentionBlock, x: str) -> str:
    """Two convolutions, each channel weighted by a gate computed from the channel means, added to the input."""
    y = builder.conv(f"{path}.rcab.0", block.rcab[0], x, "relu")
    y = builder.conv(f"{path}.rcab.2", block.rcab[2], y)
    attention = f"{path}.rcab.3.attention"
    gate = builder.emit("global_mean", f"{attention}.0", (y,))
    for member, act in (("1", "relu"), ("3", "sigmoid")):
        conv = block.get_submodule(f"rcab.3.attention.{member}")
        gate = builder.conv(f"{attention}.{member}", conv, gate, act)
    y = builder.emit("mul", f"{path}.rcab.3", (y, gate))
    return builder.emit("add", f"{path}.sum", (x, y), {"scale": 1.0})
