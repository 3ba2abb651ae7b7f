"""Which channels of a network can be scaled together so that it still computes what it did.

A pass carries beside each activation a tensor of the same shape that says, for every value, which free scale it has.
What moves values moves these numbers alike; layers end one set of scales and begin another; what commutes with positive
scales (leaky ReLUs, pools, sums of equally scaled values) keeps them; everything else fixes them at one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from intaglio.quant.scale_groups import ANY, FIXED, ScaleGroups

AFFINE = (nn.LayerNorm, nn.GroupNorm, nn.BatchNorm2d)
"""Norms: what they read is fixed, what they give has scales of its own where they multiply by a weight."""


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


MOVES = _names(
    "view reshape permute transpose swapaxes movedim flatten unflatten squeeze unsqueeze contiguous clone "
    "__getitem__ chunk split split_with_sizes tensor_split narrow select unbind expand expand_as view_as "
    "reshape_as repeat repeat_interleave roll flip cat concat stack pixel_shuffle pixel_unshuffle channel_shuffle "
    "detach to float t pad"
)
KEEPS = _names("relu relu_ leaky_relu leaky_relu_ prelu dropout dropout_ feature_dropout neg")
SPATIAL = _names("max_pool2d avg_pool2d adaptive_avg_pool2d adaptive_max_pool2d interpolate upsample")
SUMS = _names("add add_ __add__ __radd__ __iadd__ sub sub_ __sub__ __isub__")
PRODUCTS = _names("mul mul_ __mul__ __rmul__ __imul__ multiply div div_ __truediv__ __itruediv__")
REDUCTIONS = _names("mean sum")
SILENT = _names("size dim numel stride is_floating_point is_contiguous storage_offset data_ptr")
"""Functions that look at no value."""


@dataclass(frozen=True)
class LayerScales:
    """The groups of a layer's channels: `inputs` of what it reads, empty for a norm, `outputs` of what it gives."""

    inputs: Int64[Tensor, " read"]
    outputs: Int64[Tensor, " given"]


@dataclass(frozen=True)
class ChannelScales:
    """`count` groups of channels, each free to be scaled as one, and where they stand.

    Group 0 is fixed at a scale of 1. `layers` has convolutions, linears and norms by their paths.
    """

    count: int
    layers: Mapping[str, LayerScales]


@torch.no_grad()
def channel_scales(network: nn.Module, example: Float[Tensor, "n c h w"]) -> ChannelScales:
    """Find the groups by one pass over `example`.

    A view that is written in place is not followed back to what it views; so try what was found (`rescale` a copy and
    compare outputs) before it is used.

    >>> net = nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU(), nn.Conv2d(2, 4, 1), nn.Sigmoid())
    >>> found = channel_scales(net, torch.zeros(1, 3, 4, 4))
    >>> found.layers["0"].outputs.tolist(), found.layers["2"].outputs.tolist(), found.count
    ([1, 2], [0, 0, 0, 0], 3)
    """
    tracer = _Tracer(network)
    with tracer:
        output = network(example.clone())
    tracer.fix(output)
    return tracer.found()


@torch.no_grad()
def rescale(network: nn.Module, scales: ChannelScales, factors: Float64[Tensor, " groups"]) -> None:
    """Let every channel of group g be `factors` [g] times what it was; ``factors[0]`` is 1, all are positive."""
    for path, layer in scales.layers.items():
        module = network.get_submodule(path)
        weight, bias = module.weight, module.bias
        assert isinstance(weight, Tensor)
        given = factors[layer.outputs].to(weight.device)
        if bias is not None:
            assert isinstance(bias, Tensor)
            bias.copy_(bias.double() * given)
        scaled = weight.double() * given.view(-1, *(1,) * (weight.dim() - 1))
        if len(layer.inputs):
            # The channels that each output reads: all of them, or those of its group.
            parts = factors[layer.inputs].to(weight.device).view(-1, weight.shape[1])
            read = parts.repeat_interleave(len(weight) // len(parts), dim=0)
            scaled = scaled / read.view(*read.shape, *(1,) * (weight.dim() - 2))
        weight.copy_(scaled)


class _Tracer(TorchFunctionMode):
    """Hears every function of a pass and keeps the scales of what it gives."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        kinds = (nn.Conv2d, nn.Linear, *AFFINE)
        self._owners = {
            id(module.weight): path
            for path, module in network.named_modules()
            if isinstance(module, kinds) and module.weight is not None
        }
        self._groups = ScaleGroups()
        self._scales: dict[int, Tensor] = {}
        self._kept: list[Tensor] = []
        """Tensors of the pass stay alive, so that no other gets the number of one of them."""
        self._layers: dict[str, LayerScales] = {}

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        name = getattr(func, "__name__", "")
        tracked = [x for x in _tensors((args, tuple(kwargs.values()))) if id(x) in self._scales]
        # Operands by name are rare, and not followed.
        if name in LAYERS and len(args) > 1:
            LAYERS[name](self, output, *args, **kwargs)
        elif tracked:
            self._follow(name, func, output, args, kwargs, tracked)
        return output

    def _follow(
        self,
        name: str,
        func: Callable[..., Any],
        output: Any,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        tracked: Sequence[Tensor],
    ) -> None:
        if name in SILENT or (name == "__get__" and not isinstance(output, Tensor)):
            return
        if name in MOVES or name == "__get__":
            self._move(func, output, args, kwargs)
        elif not args:
            self.fix(*tracked)
        elif name in KEEPS:
            self._set(output, self._of(args[0]))
        elif name in SPATIAL:
            self._channels(output, args[0], lambda vector: vector.view(-1, 1, 1).expand(output.shape))
        elif name in SUMS and len(args) > 1:
            self._add(output, args[0], args[1])
        elif name in PRODUCTS and len(args) > 1:
            self._multiply(output, args[0], args[1])
        elif name in REDUCTIONS and isinstance(output, Tensor):
            self._reduce(func, output, args, kwargs)
        else:
            self.fix(*tracked)

    def found(self) -> ChannelScales:
        """What the pass told, groups numbered from 1."""
        roots = {FIXED: FIXED}
        for layer in self._layers.values():
            for scale in torch.cat([layer.outputs, layer.inputs]).tolist():
                roots.setdefault(self._groups.root(scale), len(roots))
        table = torch.tensor([roots.get(self._groups.root(scale), FIXED) for scale in range(len(self._groups))])
        layers = {path: LayerScales(table[layer.inputs], table[layer.outputs]) for path, layer in self._layers.items()}
        return ChannelScales(len(roots), layers)

    # What layers do.

    def read(self, output: Tensor, x: Tensor, weight: Tensor, axis: int) -> None:
        """A layer reads the channels of `x` and gives channels of its own, both along `axis`."""
        path = self._owners.get(id(weight))
        vector = None if path is None else self._groups.vector(self._of(x), axis)
        if path is None or vector is None:
            self.fix(x)
            self._fix_layer(path)
            return
        known = self._layers.get(path)
        if known is None:
            known = self._layers[path] = LayerScales(vector, self._groups.new(len(weight)))
        else:
            self._groups.unite(known.inputs, vector)
        self._spread(output, known.outputs, axis)

    def normalize(self, output: Tensor, x: Tensor, weight: Tensor | None, axis: int) -> None:
        """A norm fixes what it reads; its own channels are free where it multiplies by a vector."""
        self.fix(x)
        path = self._owners.get(id(weight))
        if path is None or weight is None or weight.dim() != 1:
            return
        known = self._layers.setdefault(
            path, LayerScales(torch.zeros(0, dtype=torch.long), self._groups.new(len(weight)))
        )
        self._spread(output, known.outputs, axis)

    def fix(self, *tensors: Any) -> None:
        """Nothing may scale these."""
        for tensor in _tensors(tensors):
            if id(tensor) in self._scales:
                scales = torch.unique(self._scales[id(tensor)])
                self._groups.unite(scales, torch.full_like(scales, FIXED))

    def _fix_layer(self, path: str | None) -> None:
        """A layer that is called again, in a way that is not followed."""
        if path in self._layers:
            for scales in (self._layers[path].inputs, self._layers[path].outputs):
                self._groups.unite(scales, torch.full_like(scales, FIXED))

    # What other functions do.

    def _move(self, func: Callable[..., Any], output: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        padding = getattr(func, "__name__", "") == "pad"
        mode = kwargs.get("mode", args[2] if len(args) > 2 else "constant")
        if padding and mode == "constant":
            value = kwargs.get("value", args[3] if len(args) > 3 else None)
            moved = func(self._of(args[0]).double(), kwargs.get("pad", args[1] if len(args) > 1 else None),
                         "constant", float(FIXED if value else ANY))  # fmt: skip
        else:
            moved = func(*self._swapped(args), **{key: self._swapped((value,))[0] for key, value in kwargs.items()})
        for one, scales in zip(_tensors((output,)), _tensors((moved,)), strict=True):
            self._set(one, scales.long())

    def _swapped(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """Tensors of a pass replaced by their scales; of a list, every one."""

        def swap(value: Any, inside: bool) -> Any:
            if isinstance(value, Tensor) and (id(value) in self._scales or (inside and value.is_floating_point())):
                return self._of(value).double()
            return type(value)(swap(one, True) for one in value) if type(value) in (list, tuple) else value

        return tuple(swap(value, False) for value in values)

    def _add(self, output: Tensor, a: Any, b: Any) -> None:
        if not (isinstance(a, Tensor) and isinstance(b, Tensor)):
            number = b if isinstance(a, Tensor) else a
            kept = a if isinstance(a, Tensor) else b
            if number != 0:
                self.fix(kept)
            self._set(output, self._of(kept))
            return
        left, right = (self._of(x).expand(output.shape) for x in (a, b))
        self._groups.unite(left, right)
        self._set(output, torch.where(left == ANY, right, left))

    def _multiply(self, output: Tensor, a: Any, b: Any) -> None:
        """One factor keeps its scales, the other is fixed: the one that has scales at all, or else the first."""
        if isinstance(a, Tensor) and isinstance(b, Tensor):
            kept, gate = (b, a) if not self._groups.canonical(self._of(a)).clamp_min(FIXED).any() else (a, b)
            self.fix(gate)
        else:
            kept = a if isinstance(a, Tensor) else b
        self._set(output, self._of(kept).expand(output.shape))

    def _channels(self, output: Tensor, x: Tensor, spread: Callable[[Tensor], Tensor]) -> None:
        vector = self._groups.vector(self._of(x), 1)
        if vector is None:
            self.fix(x)
        else:
            self._set(output, spread(vector))

    def _reduce(self, func: Callable[..., Any], output: Tensor, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """A mean or a sum keeps the scale that all its terms have: then their mean is the scale itself."""
        scales = self._groups.canonical(self._of(args[0])).double()
        bounds = [getattr(scales, kind)(*_axes(args, kwargs)) for kind in ("amin", "amax")]
        if torch.equal(*bounds) and bounds[0].shape == output.shape:
            self._set(output, bounds[0].long())
        else:
            self.fix(args[0])

    # The scales of a tensor.

    def _of(self, x: Tensor) -> Tensor:
        known = self._scales.get(id(x))
        return torch.full(x.shape, FIXED) if known is None else known

    def _set(self, x: Tensor, scales: Tensor) -> None:
        """What is fixed throughout is not followed any further."""
        self._kept.append(x)
        if self._groups.canonical(scales).clamp_min(FIXED).any():
            self._scales[id(x)] = scales
        else:
            self._scales.pop(id(x), None)

    def _spread(self, output: Tensor, vector: Tensor, axis: int) -> None:
        shape = [1] * output.dim()
        shape[axis] = -1
        self._set(output, vector.view(shape).expand(output.shape))


def _tensors(values: Any) -> Iterator[Tensor]:
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, (list, tuple)):
        for value in values:
            yield from _tensors(value)


def _axes(args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Any, ...]:
    dim = kwargs.get("dim", args[1] if len(args) > 1 else ())
    return (() if dim is None else dim, kwargs.get("keepdim", args[2] if len(args) > 2 else False))


def _convolve(tracer: _Tracer, output: Tensor, x: Tensor, weight: Tensor, *_rest: Any, **_named: Any) -> None:
    tracer.read(output, x, weight, x.dim() - 3)


def _multiply_rows(tracer: _Tracer, output: Tensor, x: Tensor, weight: Tensor, *_rest: Any, **_named: Any) -> None:
    tracer.read(output, x, weight, x.dim() - 1)


def _layer_norm(
    tracer: _Tracer, output: Tensor, x: Tensor, shape: Sequence[int], weight: Tensor | None = None, *_rest: Any,
    **_named: Any,
) -> None:  # fmt: skip
    tracer.normalize(output, x, weight if len(shape) == 1 else None, x.dim() - 1)


def _group_norm(
    tracer: _Tracer, output: Tensor, x: Tensor, _groups: int, weight: Tensor | None = None, *_rest: Any, **_named: Any
) -> None:
    tracer.normalize(output, x, weight, 1)


def _batch_norm(
    tracer: _Tracer, output: Tensor, x: Tensor, _mean: Any, _variance: Any, weight: Tensor | None = None, *_rest: Any,
    **_named: Any,
) -> None:  # fmt: skip
    tracer.normalize(output, x, weight, 1)


LAYERS: Mapping[str, Callable[..., None]] = {
    "conv2d": _convolve,
    "linear": _multiply_rows,
    "layer_norm": _layer_norm,
    "group_norm": _group_norm,
    "batch_norm": _batch_norm,
}
