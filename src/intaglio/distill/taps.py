"""Feature taps: the outputs of submodules during a forward pass, kept with their gradients, and which they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intaglio.errors import MethodError
from intaglio.quant.layers import QuantConv2d, QuantLinear
from intaglio.quant.work import heard_calls

LEAST_LAYERS = 2
"""Quantized layers in a submodule that is a tap of its own."""


def feature_taps_of(network: nn.Module) -> tuple[str, ...]:
    """The submodules whose outputs a network offers to distillation.

    Raises: MethodError if it names none (remedy: another method, or naming them).
    """
    named = getattr(network, "feature_taps", None)
    if not callable(named):
        raise MethodError(
            f"{type(network).__name__} names no feature taps, which this method distils with; choose 'dobi', or add"
            " a method `feature_taps()` to the network."
        )
    taps: tuple[str, ...] = named()
    return taps


def inner_taps(network: nn.Module, example: Float[Tensor, "n c h w"]) -> tuple[str, ...]:
    """The submodules that hold some of the quantized layers, at least `LEAST_LAYERS`, but not all: groups, blocks and
    branches at every depth.

    Found on a pass over `example`: what is called once and gives one tensor of floats. Empty if there is none.
    """
    held = {path: _quantized_layers(module) for path, module in network.named_modules()}
    calls: Counter[str] = Counter()

    def hear(path: str, _module: nn.Module, _args: tuple[Any, ...], output: Tensor) -> None:
        if LEAST_LAYERS <= held[path] < held[""] and output.is_floating_point():
            calls[path] += 1

    with torch.no_grad(), heard_calls(network, hear):
        network(example)
    return tuple(path for path, count in calls.items() if count == 1)


def _quantized_layers(module: nn.Module) -> int:
    return sum(isinstance(layer, (QuantLinear, QuantConv2d)) for layer in module.modules())


@contextmanager
def tapped(network: nn.Module, names: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """A dictionary that each forward pass inside the block fills with the outputs of the named submodules.

    Hooks are removed at the end of the block whatever happens.

    >>> import torch
    >>> net = nn.Sequential(nn.Identity(), nn.Flatten())
    >>> with tapped(net, ["0"]) as features:
    ...     _ = net(torch.ones(1, 2, 2))
    >>> features["0"].shape
    torch.Size([1, 2, 2])
    """
    features: dict[str, Tensor] = {}
    handles = []
    for name in names:

        def hook(_module: nn.Module, _args: Any, output: Tensor, name: str = name) -> None:
            # A copy: the network may go on to write to the tensor.
            features[name] = output.clone()

        handles.append(network.get_submodule(name).register_forward_hook(hook))
    try:
        yield features
    finally:
        for handle in handles:
            handle.remove()
