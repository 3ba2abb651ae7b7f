"""Feature taps: the outputs of named submodules during a forward pass, kept with their gradients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from intaglio.errors import MethodError


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
            features[name] = output

        handles.append(network.get_submodule(name).register_forward_hook(hook))
    try:
        yield features
    finally:
        for handle in handles:
            handle.remove()
