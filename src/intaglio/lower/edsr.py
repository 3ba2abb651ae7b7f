"""EDSR as an integer program."""

from __future__ import annotations

from torch import nn

from intaglio.arch.edsr import EDSR
from intaglio.arch.residual import ResidualBlock
from intaglio.lower.builder import Builder
from intaglio.lower.residual import emit_frame, emit_residual_block


def emit_edsr(builder: Builder, network: EDSR) -> None:
    """Append all operations of a quantized EDSR, from picture to picture."""
    emit_frame(builder, network, _emit_member)


def _emit_member(builder: Builder, path: str, member: nn.Module, x: str) -> str:
    assert isinstance(member, ResidualBlock)
    return emit_residual_block(builder, path, member, x)
