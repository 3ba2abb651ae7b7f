"""Fused projections of foreign networks: which rows of a linear's output go to which operand of a product.

2DQuant quantizes q, k and v as three layers; a network of one's own may have one linear for them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from intaglio.quant.products import Product, ProductMode

NAMES = {3: ("q", "k", "v"), 2: ("part1", "part2")}
"""Names of three and of two equal parts, tried in this order."""


def fused_parts(network: nn.Module, example: Float[Tensor, "n c h w"]) -> dict[str, tuple[str, ...]]:
    """The names of the parts of every linear that is several, by its path.

    A linear has parts if each operand of a product that reads it reads rows of one third (or half) of its outputs
    alone, and at least two of the thirds (both halves) are read so. What an operand reads is told by its gradient: one
    pass with gradients, cut off behind every linear. No linear has parts in a network that cannot run so.
    """
    reach = _Reach()
    handles = [
        module.register_forward_hook(reach.cut(path))
        for path, module in network.named_modules()
        if isinstance(module, nn.Linear)
    ]
    try:
        constants = [*network.parameters(), *network.buffers()]
        with torch.inference_mode(False), torch.enable_grad(), ProductMode(reach.product, constants):
            network(example.detach().clone())
    except RuntimeError:  # a view that is written to, say
        return {}
    finally:
        for handle in handles:
            handle.remove()
    found = {path: split(masks) for path, masks in reach.masks.items()}
    return {path: NAMES[count] for path, count in found.items() if count > 1}


class _Reach:
    """Collects, for each linear, the output channels that each operand of a product depends on."""

    def __init__(self) -> None:
        self.leaves: dict[str, Tensor] = {}
        self.masks: dict[str, list[Bool[Tensor, " out"]]] = defaultdict(list)

    def cut(self, path: str) -> Callable[[nn.Module, tuple[Any, ...], Tensor], Tensor]:
        def hook(_module: nn.Module, _args: tuple[Any, ...], output: Tensor) -> Tensor:
            self.leaves[path] = output.detach().requires_grad_()
            return self.leaves[path].clone()  # no leaf, so that the network may write to it

        return hook

    def product(self, found: Product) -> Tensor:
        for operand in (found.a, found.b):
            if operand.requires_grad:
                signs = torch.linspace(0.5, 1.5, operand.numel()).view(operand.shape)  # so that nothing cancels
                leaves = list(self.leaves.values())
                grads = torch.autograd.grad((operand * signs).sum(), leaves, retain_graph=True, allow_unused=True)
                for path, grad in zip(self.leaves, grads, strict=True):
                    if grad is not None:
                        self.masks[path].append(grad.flatten(0, -2).abs().amax(0) > 0)
        return found.multiply(found.a, found.b)


def split(masks: Iterable[Bool[Tensor, " out"]]) -> int:
    """Into how many equal parts the masks of operands cut the outputs of a linear; 1 where they do not.

    >>> q, k = torch.tensor([True, False, False]), torch.tensor([False, True, False])
    >>> split([q, k, q | k]), split([q | k]), split([torch.ones(3, dtype=torch.bool)])
    (3, 1, 1)
    """
    sets = [frozenset(mask.nonzero().flatten().tolist()) for mask in masks]
    # What depends on scores depends on q and k; that says nothing of its own.
    least = [one for one in sets if one and not any(other and other < one for other in sets)]
    size = len(next(iter(masks), ()))
    for count in NAMES:
        width = size // count
        slices = [frozenset(range(index * width, (index + 1) * width)) for index in range(count)]
        inside = all(any(one <= part for part in slices) for one in least)
        read = [part for part in slices if part and part <= frozenset().union(*(one for one in least if one <= part))]
        if size % count == 0 and inside and len(read) >= 2:
            return count
    return 1
