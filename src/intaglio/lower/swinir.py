"""SwinIR as an integer program: every Swin block becomes one fused operation."""

from __future__ import annotations

import torch
from torch import nn

from intaglio.arch.reconstruction import ResidualConv, Upsampler
from intaglio.arch.swin_block import SwinBlock
from intaglio.arch.swinir import SwinIR, SwinIRConfig
from intaglio.lower.builder import Builder, codes_of
from intaglio.packed.program import Attr
from intaglio.packed.schema import BLOCK_ACTIVATIONS, BLOCK_WEIGHTS
from intaglio.quant.layers import QuantLayer


def emit_swinir(builder: Builder, network: SwinIR) -> None:
    """Append all operations of a quantized SwinIR, from picture to picture."""
    config = network.config
    window = config.window
    pixels: dict[str, Attr] = {
        "range": float(config.pixel_range),
        "mean": tuple((network.mean / config.pixel_range).flatten().tolist()),
    }
    x = builder.emit("picture", "picture", (), {**pixels, "multiple": window})
    shallow = builder.conv("conv_first", network.conv_first, x)
    x = builder.layer_norm("patch_embed.norm", network.patch_embed.norm, shallow)
    for index, layer in enumerate(network.layers):
        before = x
        for position, block in enumerate(layer.residual_group.blocks):  # type: ignore[union-attr, arg-type]
            x = emit_block(builder, f"layers.{index}.residual_group.blocks.{position}", block, x)
        x = emit_residual_conv(builder, f"layers.{index}.conv", layer.conv, config.residual, x)  # type: ignore[arg-type]
        x = builder.emit("add", f"layers.{index}.sum", (x, before), {"scale": 1.0})
    x = builder.layer_norm("norm", network.norm, x)
    x = emit_residual_conv(builder, "conv_after_body", network.conv_after_body, config.residual, x)
    x = builder.emit("add", "sum", (shallow, x), {"scale": 1.0})
    builder.emit("output", "output", (emit_reconstruction(builder, network, config, x),), pixels)


def emit_residual_conv(builder: Builder, path: str, conv: nn.Module, kind: ResidualConv, x: str) -> str:
    """The convolution after a group, one layer or a bottleneck of three."""
    if kind is ResidualConv.ONE:
        return builder.conv(path, conv, x)
    for member in ("0", "2"):
        x = builder.conv(f"{path}.{member}", conv.get_submodule(member), x, "leaky_relu", 0.2)
    return builder.conv(f"{path}.4", conv.get_submodule("4"), x)


def emit_reconstruction(builder: Builder, network: SwinIR, config: SwinIRConfig, x: str) -> str:
    """From features to the upscaled picture, in each of the three official forms."""
    if config.upsampler is Upsampler.DIRECT:
        return emit_stages(builder, network.get_submodule("upsample"), x)
    x = builder.conv("conv_before_upsample.0", network.get_submodule("conv_before_upsample.0"), x, "leaky_relu", 0.01)
    if config.upsampler is Upsampler.PIXEL_SHUFFLE:
        x = emit_stages(builder, network.get_submodule("upsample"), x)
        return builder.conv("conv_last", network.get_submodule("conv_last"), x)
    for number in range(1, config.scale // 2 + 1):
        x = builder.emit("nearest", f"nearest{number}", (x,), {"factor": 2})
        x = builder.conv(f"conv_up{number}", network.get_submodule(f"conv_up{number}"), x, "leaky_relu", 0.2)
    x = builder.conv("conv_hr", network.get_submodule("conv_hr"), x, "leaky_relu", 0.2)
    return builder.conv("conv_last", network.get_submodule("conv_last"), x)


def emit_stages(builder: Builder, upsample: nn.Module, x: str, path: str = "upsample") -> str:
    """A sequence of convolutions and pixel shuffles."""
    for name, member in upsample.named_children():
        if isinstance(member, nn.PixelShuffle):
            x = builder.emit("pixel_shuffle", f"{path}.{name}", (x,), {"factor": member.upscale_factor})
        else:
            x = builder.conv(f"{path}.{name}", member, x)
    return x


def emit_block(builder: Builder, path: str, block: SwinBlock, x: str) -> str:
    """One Swin block as the fused operation ``window_block`` (numerics page, section 5)."""
    layers = {
        "qkv": block.attn.qkv, "scores": block.attn.scores, "context": block.attn.context, "proj": block.attn.proj,
        "fc1": block.mlp.fc1, "fc2": block.mlp.fc2,
    }  # fmt: skip
    paths = {name: f"{path}.{'mlp' if name.startswith('fc') else 'attn'}.{name}" for name in layers}

    def place(role: str) -> tuple[str, QuantLayer, str]:
        owner, _, operand = role.partition(".")
        name, local = ("qkv", role) if owner in ("q", "k", "v") else (owner, operand)
        layer = layers[name]
        assert isinstance(layer, QuantLayer)
        return paths[name], layer, local

    roles = (*BLOCK_ACTIVATIONS, *(f"{part}.weight" for part in BLOCK_WEIGHTS))
    sites = {role: builder.site(*place(role)) for role in roles}
    codes = {f"{part}.codes": codes_of(*place(f"{part}.weight")[1:]) for part in BLOCK_WEIGHTS}
    linears: tuple[nn.Linear, ...] = (block.attn.qkv, block.attn.proj, block.mlp.fc1, block.mlp.fc2)
    biases: list[torch.Tensor] = [
        torch.zeros(len(linear.weight)) if linear.bias is None else linear.bias for linear in linears
    ]
    norms = torch.stack([block.norm1.weight, block.norm1.bias, block.norm2.weight, block.norm2.bias])
    tensors = {
        "norm": builder.array(norms, f"{path}.norm"),
        **codes,
        "bias": builder.array(torch.cat(biases), f"{path}.bias"),
        "table": builder.array(block.attn.relative_position_bias_table, f"{path}.table"),
    }
    attrs: dict[str, Attr] = {
        "dim": norms.shape[1], "heads": block.attn.heads, "window": block.window, "shift": block.shift,
        "hidden": len(block.mlp.fc1.weight), "eps": block.norm1.eps,
    }  # fmt: skip
    return builder.emit("window_block", path, (x,), attrs, tensors, sites)
