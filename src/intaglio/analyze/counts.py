"""Counting multiply-adds and parameters of a network by kind, as they really are."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from intaglio.quant import device_in
from intaglio.quant.work import heard_calls, is_product, multiply_adds, shadow_of


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

    The network runs on shapes alone (torch's meta device), so any size is instant. One that needs values (it makes a
    mask on the CPU, say) runs in earnest. Softmax, GELU and sums are left out. Units: multiply-adds; pixels of the LR
    picture.
    """
    channels = int(getattr(network, "in_channels", 3))
    try:
        return _counted(shadow_of(network), torch.empty(1, channels, height, width, device="meta"))
    except (RuntimeError, NotImplementedError, TypeError):  # what torch raises for values or devices that do not meet
        return _counted(copy.deepcopy(network).eval(), torch.zeros(1, channels, height, width).to(device_in(network)))


def _counted(network: nn.Module, picture: Tensor) -> Operations:
    counts = dict.fromkeys(("linear", "product", "convolution", "other"), 0)

    def hear(_path: str, module: nn.Module, args: tuple[Any, ...], output: Tensor) -> None:
        kind = _kind(module)
        counts[kind] += output.numel() if isinstance(module, nn.LayerNorm) else multiply_adds(module, args, output)

    with torch.inference_mode(), heard_calls(network, hear):
        network(picture)
    return Operations(**counts)


def _kind(module: nn.Module) -> str:
    if is_product(module):
        return "product"
    return "linear" if isinstance(module, nn.Linear) else "convolution" if isinstance(module, nn.Conv2d) else "other"


def count_parameters(network: nn.Module) -> Parameters:
    """Parameters of a network by kind; ``linear`` and ``convolution`` are weights without biases."""
    linear = sum(module.weight.numel() for module in network.modules() if isinstance(module, nn.Linear))
    convolution = sum(module.weight.numel() for module in network.modules() if isinstance(module, nn.Conv2d))
    tables = sum(
        parameter.numel() for name, parameter in network.named_parameters() if name.endswith("position_bias_table")
    )
    total = sum(parameter.numel() for parameter in network.parameters())
    return Parameters(linear, convolution, tables, total - linear - convolution - tables)
