"""Emits operations of an integer program from torch modules, one method for each kind that networks share.

Architectures are walked in files of their own (`swinir.py`, ...); what the operations mean is in the numerics page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor, nn

from intaglio.errors import LoweringError
from intaglio.packed.program import Attr, Op, Program, Site
from intaglio.quant.layers import QuantConv2d, QuantLayer
from intaglio.spec import Coverage

Array = Float32[np.ndarray, "..."]


class Remainder(StrEnum):
    """In which precision a program keeps what is not quantized."""

    HALF = "half"
    SINGLE = "single"


@dataclass
class Builder:
    """Collects the operations of one program; every value is named after the operation that makes it."""

    remainder: Remainder = Remainder.HALF
    ops: list[Op] = field(default_factory=list)

    def emit(
        self,
        kind: str,
        name: str,
        inputs: Sequence[str],
        attrs: Mapping[str, Attr] | None = None,
        tensors: Mapping[str, Any] | None = None,
        sites: Mapping[str, Site] | None = None,
    ) -> str:
        """Append an operation; returns the name of its value, which is its own."""
        self.ops.append(Op(kind, name, tuple(inputs), name, attrs or {}, tensors or {}, sites or {}))
        return name

    def finish(self, scale: int, architecture: str, coverage: Coverage) -> Program:
        """The program of all operations so far."""
        return Program(scale, architecture, coverage, tuple(self.ops))

    def array(self, tensor: Tensor, what: str) -> Array:
        """A float tensor as the program keeps it: rounded to half precision unless asked otherwise.

        Raises: LoweringError for a value that half precision cannot hold (remedy: keep the remainder in single).
        """
        return rounded(tensor, self.remainder, what).numpy()

    def conv(
        self, name: str, conv: nn.Module, x: str, act: str = "none", slope: float = 0.0, prelu: Tensor | None = None
    ) -> str:
        """A convolution, float or quantized, with its activation."""
        assert isinstance(conv, (nn.Conv2d, QuantConv2d))
        out_channels, in_channels, kernel, other = conv.weight.shape
        pad = conv.padding[0] if isinstance(conv, nn.Conv2d) else conv.margins[0]
        if kernel != other or conv.groups != 1 or set(conv.dilation) != {1} or len(set(conv.stride)) != 1:
            raise LoweringError(
                f"convolution {name!r} is grouped, dilated or not square; the integer engine has no such operation."
            )
        attrs: dict[str, Attr] = {
            "in": in_channels, "out": out_channels, "kernel": kernel, "stride": conv.stride[0], "pad": int(pad),
            "act": act, "slope": slope,
        }  # fmt: skip
        bias = torch.zeros(out_channels) if conv.bias is None else conv.bias
        tensors: dict[str, Any] = {"bias": self.array(bias, f"{name}.bias")}
        sites: dict[str, Site] = {}
        if isinstance(conv, QuantConv2d):
            sites = {f"conv.{role}": self.site(name, conv, role) for role in ("input", "weight")}
            tensors = {"conv.codes": codes_of(conv, "weight"), **tensors}
        else:
            tensors = {"weight": self.array(conv.weight, f"{name}.weight"), **tensors}
        if prelu is not None:
            tensors["prelu"] = self.array(prelu, f"{name}.prelu")
        return self.emit("conv2d", name, (x,), attrs, tensors, sites)

    def layer_norm(self, name: str, norm: nn.LayerNorm, x: str) -> str:
        """A LayerNorm over channels."""
        rows = self.array(torch.stack([norm.weight, norm.bias]), name)
        return self.emit("layer_norm", name, (x,), {"dim": rows.shape[1], "eps": norm.eps}, {"norm": rows})

    def site(self, path: str, layer: QuantLayer, role: str) -> Site:
        """A site of the program from the quantizer at `role` of a layer.

        Raises: LoweringError for a quantizer without a grid for integer products.
        """
        part, _, operand = role.rpartition(".")
        name = f"{path}.{part}:{operand}" if part else f"{path}:{operand}"
        try:
            return Site(name, layer.site(role).grids())
        except LoweringError as error:
            raise LoweringError(f"site {name!r}, a {type(layer.site(role)).__name__}: {error}") from None


def rounded(tensor: Tensor, remainder: Remainder, what: str) -> Tensor:
    """A float tensor rounded to the precision of the remainder, still in single precision.

    Raises: LoweringError where half precision overflows (remedy: ``remainder='single'``).
    """
    single = tensor.detach().float().cpu().contiguous()
    if remainder is Remainder.SINGLE:
        return single
    half = single.half().float()
    if not torch.isfinite(half).all():
        raise LoweringError(
            f"{what!r} holds values that half precision cannot; keep the remainder in single precision."
        )
    return half


def codes_of(layer: QuantLayer, role: str) -> np.ndarray:
    """The codes of a weight site as uint8, in the shape of the weight."""
    return layer.site(role).codes(layer.weight_of(role)).to(torch.uint8).cpu().numpy()
