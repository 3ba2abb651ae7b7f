"""Multiply-adds of layers and products, counted on a pass, and whether what a layer reads depends on the picture.

What is left float because of it is decided in `policy.py`.
"""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

SIDE = 64
"""Side in pixels of the picture that work is counted on where no example is given: the papers' calibration crop."""

Hear = Callable[[str, nn.Module, tuple[Any, ...], Tensor], None]


@dataclass(frozen=True)
class LayerWork:
    """What one layer or product does in a pass: multiply-adds, and whether any of its inputs depends on the picture."""

    multiply_adds: int
    depends: bool


def is_product(module: nn.Module) -> bool:
    """Whether a module multiplies two activations: it says so by an attribute ``operands = ("a", "b")``."""
    return getattr(module, "operands", None) == ("a", "b")


def multiply_adds(module: nn.Module, args: tuple[Any, ...], output: Tensor) -> int:
    """Multiply-adds of one call of a linear, a convolution or a product; 0 for any other module.

    >>> x = torch.ones(5, 3)
    >>> multiply_adds(nn.Linear(3, 4), (x,), torch.ones(5, 4))
    60
    """
    if isinstance(module, nn.Linear):
        return int(output.numel() * module.in_features)
    if isinstance(module, nn.Conv2d):
        return output.numel() * math.prod(module.weight.shape[1:])
    if is_product(module):
        a, b, *multiply = args
        return int(output.numel() * (multiply[0].summed(a, b) if multiply else a.shape[-1]))
    return 0


@contextmanager
def heard_calls(network: nn.Module, hear: Hear) -> Iterator[None]:
    """`hear` is called after each call of each module with its path, itself, its arguments and its output."""
    handles = []
    for path, module in network.named_modules():

        def hook(module: nn.Module, args: tuple[Any, ...], output: Any, path: str = path) -> None:
            if isinstance(output, Tensor):
                hear(path, module, args, output)

        handles.append(module.register_forward_hook(hook))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def measure_work(network: nn.Module, example: Float[Tensor, "n c h w"]) -> dict[str, LayerWork]:
    """The work of every linear, convolution and product of `network` on `example`, in the order in which they end.

    The network runs once, as it is, on the example's device; on the meta device nothing is computed. A tensor depends
    on the picture if autograd can follow it there; all do in a network that cannot run with gradients.
    """
    try:
        # The graph is asked for its reach alone, so that it need not keep a tensor.
        with (
            torch.inference_mode(False),
            torch.enable_grad(),
            saved_tensors_hooks(lambda x: None, lambda x: x),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore", UserWarning)  # of values read from a tensor that asks for a gradient
            picture = example.detach().clone().requires_grad_()
            return _measured(network, picture.clone(), lambda x: x.requires_grad)
    except RuntimeError:  # a view that is written to, say
        with torch.no_grad():
            return _measured(network, example.detach().clone(), lambda x: True)


def _measured(network: nn.Module, picture: Tensor, depends: Callable[[Tensor], bool]) -> dict[str, LayerWork]:
    found: dict[str, LayerWork] = {}

    def hear(path: str, module: nn.Module, args: tuple[Any, ...], output: Tensor) -> None:
        if work := multiply_adds(module, args, output):
            before = found.get(path, LayerWork(0, False))
            reached = any(isinstance(x, Tensor) and depends(x) for x in args)
            found[path] = LayerWork(before.multiply_adds + work, before.depends or reached)

    with heard_calls(network, hear):
        network(picture)
    return found


def shadow_of(network: nn.Module) -> nn.Module:
    """A frozen copy in evaluation mode on the meta device, which runs on shapes alone."""
    return copy.deepcopy(network).to("meta").eval().requires_grad_(False)
