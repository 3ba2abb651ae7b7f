"""Any `nn.Module` from pictures to larger pictures, made ready for `wrap`: products that it calls become modules.

Recognising calls is in `products.py`, the first pass that finds them in `tracing.py`.
"""

from __future__ import annotations

import copy
import fnmatch
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType

import torch
from jaxtyping import Float
from torch import Tensor, nn

from intaglio.errors import SpecError
from intaglio.quant import norms, products, tracing
from intaglio.quant.layers import QuantLayer
from intaglio.quant.model import QuantModel, wrap
from intaglio.quant.parts import fused_parts
from intaglio.quant.policy import calls_of
from intaglio.quant.products import MATMUL, Multiply
from intaglio.quant.tracing import PlannedProduct, Trace
from intaglio.quant.work import LayerWork, measure_work
from intaglio.spec import QuantSpec

_REMEDY = "calibrate it with pictures like the example, or give it a forward pass that does not depend on its input"


class QuantProduct(QuantLayer):
    """A product of two quantized activations, multiplied as the network does it."""

    def __init__(self) -> None:
        super().__init__(("a", "b"))
        self.matmul: Callable[..., Tensor] = torch.matmul
        """What multiplies matrices, as in `QuantMatMul`."""

    def forward(self, a: Float[Tensor, ...], b: Float[Tensor, ...], multiply: Multiply) -> Float[Tensor, ...]:
        """``multiply(Q(a), Q(b))``."""
        product = self.matmul if multiply is MATMUL else multiply
        return product(self.site("a")(a), self.site("b")(b))


class FloatProduct(nn.Module):
    """A product of two activations as a module, so that it has a name; `wrap` replaces it by its `twin`."""

    operands = ("a", "b")
    twin = QuantProduct

    def __init__(self, one_sided: tuple[str, ...]) -> None:
        super().__init__()
        self.one_sided = one_sided

    def forward(self, a: Float[Tensor, ...], b: Float[Tensor, ...], multiply: Multiply) -> Float[Tensor, ...]:
        """``multiply(a, b)``."""
        return multiply(a, b)


class ForeignNetwork(nn.Module):
    """A copy of a foreign network whose products of activations run through modules of their own; made by `adopt`.

    Layers are found under ``network.<their path>``, products under ``products.<path of their module>.<kind><number>``.
    Every pass must call the products in the order of the example's. Shapes: (N, C, H, W) to (N, C, H * scale, W *
    scale), in the units of the foreign network, which should be [0, 1].
    """

    def __init__(self, network: nn.Module, trace: Trace, taps: tuple[str, ...], left_float: frozenset[str]) -> None:
        super().__init__()
        self.network = network
        self.products = nn.Module()
        self.scale = trace.scale
        self.in_channels = trace.in_channels
        self.unseen = trace.unseen
        self._planned = trace.products
        self._taps = taps
        self._left_float = left_float
        self._work: dict[str, LayerWork] = {}
        self._example: Tensor | None = None
        self._norm_readers: tuple[tuple[str, str], ...] | None = None
        self._repeated = tuple(path for path, module in network.named_modules() if calls_of(module) > 1)
        self._ends = (trace.convolutions[0], trace.convolutions[-1]) if trace.convolutions else ()
        for planned in trace.products:
            _graft(self.products, planned.name, FloatProduct(planned.one_sided))

    @property
    def architecture(self) -> str:
        """The name of the foreign network's class."""
        return type(self.network).__name__

    def forward(self, image: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c height width"]:
        """The SR picture; `image` is never written to, even by a network that works in place.

        Raises: SpecError if the products are others than in the example, or come in another order.
        """
        for layer in map(self.network.get_submodule, self._repeated):
            if isinstance(layer, QuantLayer):
                layer.restart()
        owners = dict.fromkeys(planned.path for planned in self._planned)
        with tracing.located(self.network, owners) as running:
            conductor = _Conductor(self._planned, self.products, running)
            with products.ProductMode(conductor, tracing.constants_of(self.network)):
                output: Tensor = self.network(image.clone())
        conductor.finish()
        return output

    def feature_taps(self) -> tuple[str, ...]:
        """The submodules whose outputs a student learns from its teacher; batch first."""
        return tuple(f"network.{path}" for path in self._taps)

    def first_and_last(self) -> tuple[str, ...]:
        """The first and the last convolution that the example met; empty if there is none."""
        return tuple(f"network.{path}" for path in self._ends)

    def work(self) -> Mapping[str, LayerWork]:
        """What each layer and product does on the example: the coverage leaves float what does next to nothing."""
        return MappingProxyType(self._work)

    def norm_readers(self) -> tuple[tuple[str, str], ...]:
        """Pairs of a LayerNorm and a linear that reads it, where such linears alone do; found by trying, once.

        The first call must come while no site is set.
        """
        if self._norm_readers is None:
            assert self._example is not None, "`adopt` keeps the example"
            self._norm_readers = norms.norm_readers(self, self._example)
        return self._norm_readers

    def left_float(self) -> frozenset[str]:
        """Layers that are not quantized, by request or because no pass ever calls them."""
        return frozenset(f"network.{path}" for path in self._left_float)


class _Conductor:
    """Hands the products of one pass, in order, to their modules."""

    def __init__(self, planned: Sequence[PlannedProduct], modules: nn.Module, running: list[str]) -> None:
        self._planned = planned
        self._modules = modules
        self._running = running
        self._position = 0

    def __call__(self, found: products.Product) -> Tensor:
        here = self._running[-1] if self._running else ""
        expected = self._planned[self._position] if self._position < len(self._planned) else None
        if expected is None or (expected.path, expected.kind) != (here, found.kind):
            wanted = "none" if expected is None else f"{expected.name!r}"
            raise SpecError(
                f"product {self._position} of this pass is a {found.kind} in {here!r}, but the example's was {wanted};"
                f" {_REMEDY}."
            )
        self._position += 1
        output: Tensor = self._modules.get_submodule(expected.name)(found.a, found.b, found.multiply)
        return output

    def finish(self) -> None:
        """Raises: SpecError unless every product was called."""
        if self._position < len(self._planned):
            missing = self._planned[self._position].name
            raise SpecError(f"this pass ended without the product {missing!r} that the example had; {_REMEDY}.")


def adopt(
    network: nn.Module,
    example: Float[Tensor, "n c h w"],
    *,
    taps: Sequence[str] | None = None,
    left_float: Iterable[str] = (),
    parts: Mapping[str, tuple[str, ...]] | None = None,
) -> ForeignNetwork:
    """A float copy of any SR network in the form that `wrap` and `intaglio.methods.quantize` understand.

    `example` is run once to find products, their order and what is never called; pictures of any size that the network
    takes will do. Computes what the network computes: bit by bit, but for attention by
    `scaled_dot_product_attention`, to rounding. `taps` names submodules whose outputs distillation compares, batch
    first; by default the members of the container that holds most parameters. `left_float` names layers that must
    not be quantized, by path or by pattern (``"*.up.*"``). A layer that is called several times in a pass has an input
    site for each call and one for its weight.

    A linear whose outputs go to products in thirds (q, k and v) or halves becomes as many layers with sites of their
    own, as in 2DQuant; `parts` names those of a linear by its path, an empty tuple leaving it whole.

    Raises: SpecError for a network that returns no picture, or a pattern that matches no layer.
    """
    copied = copy.deepcopy(network).float().eval().requires_grad_(False)
    found = tracing.trace(copied, example)
    layers = {path: module for path, module in copied.named_modules() if isinstance(module, (nn.Linear, nn.Conv2d))}
    asked = _matching(left_float, layers)
    idle = {path for path in layers if found.calls[path] == 0}
    for path in layers.keys() - idle:
        layers[path].calls = found.calls[path]  # type: ignore[assignment]
    for path, roles in found.one_sided.items():
        layers[path].one_sided = roles  # type: ignore[assignment]
    for path, names in {**fused_parts(copied, example), **(parts or {})}.items():
        layers[path].parts = names  # type: ignore[assignment]
    chosen = _default_taps(copied, found) if taps is None else tuple(taps)
    adopted = ForeignNetwork(copied, found, chosen, asked | idle)
    adopted._example = example.detach().clone()
    adopted._work.update(measure_work(adopted, example))
    return adopted


def wrap_foreign(network: nn.Module, spec: QuantSpec, example: Float[Tensor, "n c h w"]) -> QuantModel:
    """`wrap` for any network: linears, convolutions and the products found by running `example` get sites, all unset.

    Sites are called ``network.<path>:input``, ``products.<path>.matmul0:a`` and so on. For methods, hand
    ``adopt(network, example)`` to `intaglio.methods.quantize`, which wraps it itself.

    Raises: SpecError as `adopt` and `wrap` do.
    """
    return wrap(adopt(network, example), spec)


def _matching(patterns: Iterable[str], layers: Iterable[str]) -> frozenset[str]:
    """The layers that some pattern matches. Raises: SpecError for a pattern that matches none."""
    found: set[str] = set()
    for pattern in patterns:
        matched = fnmatch.filter(layers, pattern)
        if not matched:
            raise SpecError(f"{pattern!r} is no linear or convolution of the network and cannot be left float.")
        found.update(matched)
    return frozenset(found)


def _graft(root: nn.Module, path: str, module: nn.Module) -> None:
    *parents, name = path.split(".")
    for parent in parents:
        if parent not in root._modules:
            setattr(root, parent, nn.Module())
        root = root.get_submodule(parent)
    setattr(root, name, module)


def _default_taps(network: nn.Module, found: Trace) -> tuple[str, ...]:
    """The members of the list or sequence with most parameters of which each gives one map of equal shape, once a pass;
    without one, the last convolution or linear."""
    candidates: list[tuple[int, tuple[str, ...]]] = []
    for path, module in network.named_modules():
        if not isinstance(module, (nn.ModuleList, nn.Sequential)):
            continue
        members = tuple(f"{path}.{name}" if path else name for name, _ in module.named_children())
        shapes = {found.batched.get(member) for member in members}
        if len(members) > 1 and len(shapes) == 1 and None not in shapes and all(found.calls[m] == 1 for m in members):
            candidates.append((sum(p.numel() for p in module.parameters()), members))
    if candidates:
        return max(candidates, key=lambda candidate: candidate[0])[1]
    layers = [path for path in found.calls if isinstance(network.get_submodule(path), (nn.Conv2d, nn.Linear))]
    return tuple(path for path in layers if path in found.batched)[-1:]
