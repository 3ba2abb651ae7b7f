"""The graph between a traced network and its program: nodes that are simplified as they are made.

Node kinds, attributes and tensors are those of programs (`intaglio.packed.ops`), with three differences: lengths are
vectors over the traced sizes, a `site` is a node of its own until the product that reads it takes it in, and a
`constant` may depend on the size until `recognise.py` finds what it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from intaglio.lower.align import Shape, Side
from intaglio.lower.sides import broadcast, plus, prod_of
from intaglio.lower.trace import Place
from intaglio.spec import SiteName

Array = NDArray[Any]

LARGE = 1024
"""Of so many numbers on, repetitions in a constant are looked for."""


@dataclass(frozen=True, eq=False)
class Node:
    """One value. `index` ascends from inputs to readers; `sites` names quantized operands by role."""

    index: int
    kind: str
    inputs: tuple[Node, ...]
    shape: Shape
    attrs: Mapping[str, Any]
    tensors: Mapping[str, Array]
    sites: Mapping[str, SiteName]
    place: Place


View = tuple[str, tuple[tuple[str, Any], ...]]
"""An operation that only moves values: its kind and its attributes."""


@dataclass
class Graph:
    """Makes nodes, each once: equal nodes are one. Every method gives the simplest node that has the value."""

    sizes: tuple[tuple[int, int], ...]
    place: Place
    inside: tuple[int, ...] = ()
    """The multiples to which the network rounds sides up between its layers."""
    moved: dict[SiteName, tuple[View, ...]] = field(default_factory=dict)
    """What moves the values of a site between the place where the model quantizes them and the product."""
    recognised: dict[bytes, list[Node] | None] = field(default_factory=dict)
    """What constants were found to be, by their digest (see `recognise.py`)."""
    _nodes: dict[Any, Node] = field(default_factory=dict)

    def node(
        self,
        kind: str,
        inputs: Sequence[Node],
        shape: Shape,
        attrs: Mapping[str, Any] | None = None,
        tensors: Mapping[str, Array] | None = None,
        sites: Mapping[str, SiteName] | None = None,
    ) -> Node:
        """A node as it is asked for, or the equal one that there is."""
        attrs, tensors, sites = attrs or {}, tensors or {}, sites or {}
        key = (
            kind,
            tuple(x.index for x in inputs),
            shape,
            tuple(sorted(attrs.items())),
            tuple(sorted((role, array.shape, array.tobytes()) for role, array in tensors.items())),
            tuple(sorted(sites.items())),
        )
        if key not in self._nodes:
            self._nodes[key] = Node(
                len(self._nodes),
                kind,
                tuple(inputs),
                shape,
                MappingProxyType(dict(attrs)),
                MappingProxyType(dict(tensors)),
                MappingProxyType(dict(sites)),
                self.place,
            )
        return self._nodes[key]

    def side(self, length: int) -> Side:
        """A length that is the same at every size."""
        return (length,) * len(self.sizes)

    def shape(self, *lengths: int) -> Shape:
        """A shape that is the same at every size."""
        return tuple(self.side(length) for length in lengths)

    def constant(self, value: Array) -> Node:
        """A tensor of the program; axes of length 1 in front, which broadcasting ignores, are dropped."""
        lean = np.ascontiguousarray(value, dtype=np.float32)
        while lean.ndim and lean.shape[0] == 1:
            lean = lean.reshape(lean.shape[1:])
        return self.node("constant", (), self.shape(*lean.shape), {}, {"value": lean})

    def site(self, x: Node, name: SiteName, views: tuple[View, ...] = ()) -> Node:
        """The mark that a product will read `x` through a site; `views` moved it since."""
        return self.node("site", (x,), x.shape, {"name": name, "views": views})

    def _moved_site(self, x: Node, inner: Node, kind: str, **attrs: Any) -> Node:
        """A site after what only moves values, of which quantization is independent."""
        return self.site(inner, x.attrs["name"], (*x.attrs["views"], (kind, tuple(attrs.items()))))

    def reshape(self, x: Node, shape: Shape) -> Node:
        """`x` in another shape of as many values."""
        if shape == x.shape:
            return x
        if x.kind == "site":
            return self._moved_site(x, self.reshape(x.inputs[0], shape), "reshape", shape=shape)
        if x.kind == "reshape":
            return self.reshape(x.inputs[0], shape)
        if x.kind == "concat":
            split = self._split_concat(x, shape)
            if split is not None:
                return split
        return self.node("reshape", (x,), shape, {"shape": shape})

    def _split_concat(self, x: Node, shape: Shape) -> Node | None:
        """Where the joined axis is split so that its parts lie along an axis of their own: the parts, joined there."""
        axis, parts = x.attrs["axis"], x.inputs
        rest, tail = shape[axis + 1 :], x.shape[axis + 1 :]
        equal = all(part.shape == parts[0].shape for part in parts)
        count = self.side(len(parts))
        if not equal or shape[:axis] != x.shape[:axis] or len(shape) <= axis or shape[axis] != count:
            return None
        if prod_of(rest) != prod_of((parts[0].shape[axis], *tail)):
            return None
        whole = (*shape[:axis], self.side(1), *rest)
        return self.concat([self.reshape(part, whole) for part in parts], axis)

    def permute(self, x: Node, axes: Sequence[int]) -> Node:
        """`x` with its axes in another order."""
        axes = tuple(axes)
        shape = tuple(x.shape[axis] for axis in axes)
        if axes == tuple(range(len(axes))):
            return x
        if x.kind == "site":
            return self._moved_site(x, self.permute(x.inputs[0], axes), "permute", axes=axes)
        if x.kind == "permute":
            return self.permute(x.inputs[0], [x.attrs["axes"][axis] for axis in axes])
        long = [axis for axis in axes if any(side != 1 for side in x.shape[axis])]
        if long == sorted(long):
            return self.reshape(x, shape)
        return self.node("permute", (x,), shape, {"axes": axes})

    def slice(self, x: Node, axis: int, start: Side, stop: Side, step: int = 1) -> Node:
        """Every `step`-th entry of an axis from `start` to before `stop`."""
        if step == 1 and all(side == 0 for side in start) and stop == x.shape[axis]:
            return x
        if x.kind == "site":
            inner = self.slice(x.inputs[0], axis, start, stop, step)
            return self._moved_site(x, inner, "slice", axis=axis, start=start, stop=stop, step=step)
        if x.kind == "concat" and x.attrs["axis"] == axis and step == 1:
            begin = self.side(0)
            for part in x.inputs:
                end = plus(begin, part.shape[axis])
                if (begin, end) == (start, stop):
                    return part
                begin = end
        length = tuple(-(-(b - a) // step) for a, b in zip(start, stop, strict=True))
        shape = (*x.shape[:axis], length, *x.shape[axis + 1 :])
        return self.node("slice", (x,), shape, {"axis": axis, "start": start, "stop": stop, "step": step})

    def concat(self, parts: Sequence[Node], axis: int) -> Node:
        """The parts one after another along an axis."""
        if len(parts) == 1:
            return parts[0]
        length = self.side(0)
        for part in parts:
            length = plus(length, part.shape[axis])
        first = parts[0].shape
        return self.node("concat", parts, (*first[:axis], length, *first[axis + 1 :]), {"axis": axis})

    def expand(self, x: Node, shape: Shape) -> Node:
        """`x` repeated along axes of length 1, and along new ones in front."""
        return x if shape == x.shape else self.node("expand", (x,), shape, {"shape": shape})

    def affine(self, x: Node, scale: float, offset: float) -> Node:
        """``x * scale + offset``, before what only moves values."""
        if scale == 1.0 and offset == 0.0:
            return x
        if x.kind in ("reshape", "permute") and x.inputs[0].kind not in ("constant", "input"):
            return self.again(x, (self.affine(x.inputs[0], scale, offset),))
        if x.kind == "affine":
            first, shift = x.attrs["scale"], x.attrs["offset"]
            if shift == 0.0 and scale == 1.0:
                return self.affine(x.inputs[0], first, offset)
            if shift == 0.0 and offset == 0.0 and (_is_power_of_two(first) or _is_power_of_two(scale)):
                return self.affine(x.inputs[0], first * scale, 0.0)
        return self.node("affine", (x,), x.shape, {"scale": float(scale), "offset": float(offset)})

    def activation(self, x: Node, function: str, *, slope: float = 0.0, low: float = 0.0, high: float = 0.0) -> Node:
        """A function of each value."""
        attrs = {"function": function, "slope": float(slope), "low": float(low), "high": float(high)}
        return self._activated(x, attrs, {})

    def prelu(self, x: Node, slopes: Array) -> Node:
        """Negative values times a slope, one for all channels or one for each entry of axis 1."""
        return self._activated(x, {"function": "prelu", "slope": 0.0, "low": 0.0, "high": 0.0}, {"weight": slopes})

    def _activated(self, x: Node, attrs: Mapping[str, Any], tensors: Mapping[str, Array]) -> Node:
        if x.kind == "pixel_shuffle" and all(slopes.size == 1 for slopes in tensors.values()):
            # Value by value, and so the same before the shuffle, where the engine fuses it with a convolution.
            return self.again(x, (self._activated(x.inputs[0], attrs, tensors),))
        return self.node("activation", (x,), x.shape, attrs, tensors)

    def binary(self, kind: str, a: Node, b: Node) -> Node:
        """A function of two values, with broadcasting."""
        shape = broadcast(a.shape, b.shape)
        a, b = self._unexpanded(a, b, shape)
        a, b = self._shortened(a, b, shape), self._shortened(b, a, shape)
        for x, other in ((a, b), (b, a)):
            inner = self._without_leading_ones(x)
            if inner is not None and len(other.shape) <= len(inner.shape):
                pair = (inner, other) if x is a else (other, inner)
                return self.reshape(self.binary(kind, *pair), shape)
        return self.node(kind, (a, b), shape)

    def _unexpanded(self, a: Node, b: Node, shape: Shape) -> tuple[Node, Node]:
        """The operands without expansions that broadcasting does anyway."""
        if a.kind == "expand" and broadcast(a.inputs[0].shape, b.shape) == shape:
            a = a.inputs[0]
        if b.kind == "expand" and broadcast(a.shape, b.inputs[0].shape) == shape:
            b = b.inputs[0]
        return a, b

    def _shortened(self, x: Node, other: Node, shape: Shape) -> Node:
        """A large constant without the repetitions that broadcasting makes anyway."""
        if x.kind != "constant" or x.tensors["value"].size < LARGE:
            return x
        value = x.tensors["value"]
        for axis in range(value.ndim):
            first = value.take([0], axis)
            if broadcast(self.shape(*first.shape), other.shape) == shape and np.all(value == first):
                value = first
        return self.constant(value)

    def _without_leading_ones(self, x: Node) -> Node | None:
        """What `x` is a reshape of by axes of length 1 in front alone."""
        if x.kind != "reshape":
            return None
        inner = x.inputs[0]
        added = len(x.shape) - len(inner.shape)
        only_ones = added > 0 and x.shape == (self.side(1),) * added + inner.shape
        return inner if only_ones else None

    def matmul(self, a: Node, b: Node) -> Node:
        """The product over the last two axes; operands that come through sites take them in."""
        (a, a_site), (b, b_site) = self.operand(a), self.operand(b)
        sites = {role: name for role, name in (("a", a_site), ("b", b_site)) if name is not None}
        heads = self._unflattened(a, b)
        if heads is not None:
            product = self.node("matmul", heads, (*heads[0].shape[:-1], heads[1].shape[-1]), {}, {}, sites)
            return self.reshape(product, (a.shape[0], a.shape[1], b.shape[2]))
        shape = (*broadcast(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1])
        return self.node("matmul", (a, b), shape, {}, {}, sites)

    def _unflattened(self, a: Node, b: Node) -> tuple[Node, Node] | None:
        """The operands before their first axes were made one, as `torch.bmm` wants them."""
        if len(a.shape) != 3 or a.kind != "reshape" or b.kind != "reshape":
            return None
        x, y = a.inputs[0], b.inputs[0]
        kept = x.shape[-2:] == a.shape[-2:] and y.shape[-2:] == b.shape[-2:]
        return (x, y) if kept and x.shape[:-2] == y.shape[:-2] and len(x.shape) > 3 else None

    def operand(self, x: Node) -> tuple[Node, SiteName | None]:
        """What a product reads, and the site that it reads it through."""
        if x.kind != "site":
            return x, None
        if any(kind != "reshape" for kind, _ in x.attrs["views"]):
            self.moved[x.attrs["name"]] = x.attrs["views"]
        return x.inputs[0], x.attrs["name"]

    def again(self, x: Node, inputs: Sequence[Node]) -> Node:
        """The same operation on other values of the same shapes."""
        if x.kind == "reshape":
            return self.reshape(inputs[0], x.shape)
        if x.kind == "permute":
            return self.permute(inputs[0], x.attrs["axes"])
        return self.node(x.kind, inputs, x.shape, x.attrs, x.tensors, x.sites)


def reachable(result: Node, start: Node | None = None) -> list[Node]:
    """Every node that a result needs, inputs first; where `start` is given, nothing of what leads up to it."""
    found: dict[int, Node] = {}
    waiting = [result]
    while waiting:
        x = waiting.pop()
        if x.index not in found:
            found[x.index] = x
            waiting.extend(() if x is start else x.inputs)
    return [found[index] for index in sorted(found)]


def _is_power_of_two(x: float) -> bool:
    return x != 0.0 and float(np.frexp(x)[0]) in (0.5, -0.5)
