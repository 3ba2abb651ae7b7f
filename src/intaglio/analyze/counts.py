"""Counting multiply-adds and parameters of a network by kind, as they really are."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from intaglio.quant.policy import is_product


@dataclass(frozen=True)
class Operations:
    """Multiply-adds for one LR picture. `other` counts one for each value that a LayerNorm scales."""

    linear: int
    product: int
    convolution: int
    other: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.linear + self.product + self.convolution + self.other

    @property
    def paper_share(self) -> float:
        """The part that paper coverage quantizes: linears and attention products."""
        return (self.linear + self.product) / self.total


@dataclass(frozen=True)
class Parameters:
    """Numbers that a network stores. `tables` are relative position biases, `other` biases, norms and the like."""

    linear: int
    convolution: int
    tables: int
    other: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.linear + self.convolution + self.tables + self.other


def count_operations(network: nn.Module, height: int, width: int) -> Operations:
    """Multiply-adds of linears, attention products, convolutions and norms for one LR picture; nothing is computed.

    The network runs on shapes alone (torch's meta device), so any size is instant. Softmax, GELU and sums are left
    out. Units: multiply-adds; pixels of the LR picture.
    """
    shadow = copy.deepcopy(network).to("meta").eval()
    counts = dict.fromkeys(("linear", "product", "convolution", "other"), 0)

    def hook(module: nn.Module, args: tuple[Any, ...], output: Tensor) -> None:
        if isinstance(module, nn.Linear):
            counts["linear"] += output.numel() * module.in_features
        elif isinstance(module, nn.Conv2d):
            counts["convolution"] += output.numel() * math.prod(module.weight.shape[1:])
        elif is_product(module):
            counts["product"] += output.numel() * args[0].shape[-1]
        elif isinstance(module, nn.LayerNorm):
            counts["other"] += output.numel()

    for module in shadow.modules():
        module.register_forward_hook(hook)
    channels = int(getattr(network, "in_channels", 3))
    with torch.inference_mode():
        shadow(torch.empty(1, channels, height, width, device="meta"))
    return Operations(**counts)


def count_parameters(network: nn.Module) -> Parameters:
    """Parameters of a network by kind; ``linear`` and ``convolution`` are weights without biases."""
    linear = sum(module.weight.numel() for module in network.modules() if isinstance(module, nn.Linear))
    convolution = sum(module.weight.numel() for module in network.modules() if isinstance(module, nn.Conv2d))
    tables = sum(
        parameter.numel() for name, parameter in network.named_parameters() if name.endswith("position_bias_table")
    )
    total = sum(parameter.numel() for parameter in network.parameters())
    return Parameters(linear, convolution, tables, total - linear - convolution - tables)
