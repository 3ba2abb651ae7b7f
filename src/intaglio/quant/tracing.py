"""One float pass through a foreign network that tells what it is made of: layers, products in order, feature taps.

Nothing is changed here; the network that results is in `foreign.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intaglio.errors import SpecError
from intaglio.quant.layers import input_role
from intaglio.quant.products import Product, ProductMode

TAIL_SHARE = 0.1
"""A tensor is taken as one-sided if it does not reach further below zero than this share of its maximum, and half of
its values lie no further above its minimum than this share of its range."""

_HIDDEN = (nn.MultiheadAttention, nn.Bilinear, nn.RNNBase, nn.Conv1d, nn.Conv3d, nn.modules.conv._ConvTransposeNd)
_FUNCTIONAL = {torch.nn.functional.linear: nn.Linear, torch.conv2d: nn.Conv2d}


@dataclass(frozen=True)
class PlannedProduct:
    """A product's place in the network: the module that calls it, its kind and its number there, one-sided operands."""

    path: str
    kind: str
    number: int
    one_sided: tuple[str, ...]

    @property
    def name(self) -> str:
        """``<module path>.<kind><number>``."""
        own = f"{self.kind}{self.number}"
        return f"{self.path}.{own}" if self.path else own


@dataclass(frozen=True)
class Trace:
    """What one pass showed.

    `products` and `convolutions` are in the order of their calls, `calls` counts those of every module, `one_sided`
    has the roles of the one-sided inputs of linears, `batched` the shapes of outputs whose first axis is the batch,
    `unseen` names what multiplies by weights and is neither an `nn.Linear` nor an `nn.Conv2d`.
    """

    scale: int
    in_channels: int
    products: tuple[PlannedProduct, ...]
    convolutions: tuple[str, ...]
    calls: Counter[str]
    one_sided: Mapping[str, tuple[str, ...]]
    batched: dict[str, torch.Size]
    unseen: tuple[str, ...]


@contextmanager
def located(network: nn.Module, paths: Iterable[str]) -> Iterator[list[str]]:
    """The paths, outermost first, of those of the named modules that are running. Hooks are removed at the end."""
    running: list[str] = []

    def leave(_module: nn.Module, _args: tuple[Any, ...], _output: Any) -> None:
        running.pop()

    handles = []
    for path in paths:
        module = network.get_submodule(path)
        handles.append(module.register_forward_pre_hook(lambda *_, path=path: running.append(path)))
        handles.append(module.register_forward_hook(leave))
    try:
        yield running
    finally:
        for handle in handles:
            handle.remove()


def constants_of(network: nn.Module) -> Iterator[Tensor]:
    """Parameters and buffers: what is no activation."""
    return chain(network.parameters(), network.buffers())


def trace(network: nn.Module, example: Float[Tensor, "n c h w"]) -> Trace:
    """Run `network` once, in evaluation mode, without gradients, on two copies of `example`.

    Raises: SpecError if what comes out is no picture a whole number of times as large (remedy in the message).
    """
    seen = _Seen()
    modules = dict(network.named_modules())
    handles = [module.register_forward_hook(seen.hook(path)) for path, module in modules.items()]
    image = torch.cat([example, example])  # the network may write to it
    seen.batch = len(image)
    try:
        with torch.no_grad(), located(network, modules) as running:

            def other(function: Callable[..., Any]) -> None:
                seen.other(running[-1], modules[running[-1]], function)

            with ProductMode(lambda found: seen.product(running[-1], found), constants_of(network), other):
                output = network(image)
    finally:
        for handle in handles:
            handle.remove()
    seen.unseen.update(dict.fromkeys(path for path in seen.calls if isinstance(modules[path], _HIDDEN)))
    return Trace(
        scale=_scale(image.shape, output),
        in_channels=image.shape[1],
        products=tuple(seen.products),
        convolutions=tuple(path for path in seen.calls if isinstance(modules[path], nn.Conv2d)),
        calls=seen.calls,
        one_sided={path: tuple(roles) for path, roles in seen.one_sided.items()},
        batched=seen.batched,
        unseen=tuple(seen.unseen),
    )


class _Seen:
    """Collects what hooks and function mode report during one pass."""

    def __init__(self) -> None:
        self.batch = 0
        self.products: list[PlannedProduct] = []
        self.numbers: Counter[tuple[str, str]] = Counter()
        self.calls: Counter[str] = Counter()
        self.one_sided: dict[str, list[str]] = {}
        self.batched: dict[str, torch.Size] = {}
        self.unseen: dict[str, None] = {}

    def hook(self, path: str) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
        def listen(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
            if isinstance(module, nn.Linear) and is_one_sided(args[0]):
                self.one_sided.setdefault(path, []).append(input_role(self.calls[path]))
            self.calls[path] += 1
            if isinstance(output, Tensor) and output.dim() > 2 and len(output) == self.batch:
                self.batched[path] = output.shape

        return listen

    def product(self, path: str, found: Product) -> Tensor:
        one_sided = tuple(name for name, x in (("a", found.a), ("b", found.b)) if is_one_sided(x))
        number = self.numbers[path, found.kind]
        self.products.append(PlannedProduct(path, found.kind, number, one_sided))
        self.numbers[path, found.kind] += 1
        return found.multiply(found.a, found.b)

    def other(self, path: str, module: nn.Module, function: Callable[..., Any]) -> None:
        owner = _FUNCTIONAL.get(function)
        if owner is not None and not isinstance(module, owner):
            self.unseen[f"{path} ({function.__name__})".strip()] = None


def is_one_sided(x: Float[Tensor, ...]) -> bool:
    """Whether a tensor looks like the output of a softmax, ReLU or GELU, or a sum of such: bounded below near zero,
    where most of its values are, and long above.

    >>> is_one_sided(torch.tensor([-0.3, -0.1, 0.0, 8.0])), is_one_sided(torch.tensor([-0.1, 0.3]))
    (True, False)
    """
    if x.numel() == 0:
        return False
    low, high = (float(end) for end in torch.aminmax(x.detach()))
    if low >= 0.0:
        return True
    return -low <= TAIL_SHARE * high and float(x.detach().median()) - low <= TAIL_SHARE * (high - low)


def _scale(image: torch.Size, output: object) -> int:
    if not isinstance(output, Tensor) or output.dim() != 4:
        found = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise SpecError(f"the network returns {found}, expected a picture (N, C, H, W); wrap it in a module that does.")
    factors = {out / side for side, out in zip(image[2:], output.shape[2:], strict=True)}
    factor = factors.pop()
    if factors or factor < 1 or factor != int(factor) or len(output) != image[0]:
        raise SpecError(
            f"pictures {tuple(image)} become {tuple(output.shape)}, not a whole number of times as large; give an"
            " example of a size that the network takes, or wrap it in a module that pads and crops."
        )
    return int(factor)
