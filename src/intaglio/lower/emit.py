"""From a graph to the operations of a program: names, lengths as polynomials, codes and grids at the sites."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from intaglio.errors import LoweringError
from intaglio.lower.align import SizeError
from intaglio.lower.fit import fit
from intaglio.lower.frame import Pixels, framed, names_of
from intaglio.lower.graph import Graph, Node, reachable
from intaglio.lower.padding import Padding
from intaglio.packed.program import Attr, Op, Site
from intaglio.spec import Grid, SiteName

_LENGTHS = {"reshape": ("shape",), "expand": ("shape",), "slice": ("start", "stop"), "pad": ("widths",)} | {
    "shift_mask": ("height", "width")
}
"""Attributes that are lengths, by kind."""


@dataclass(frozen=True)
class Sites:
    """What stands at the sites of a model: the grids of each, and the codes of weights."""

    grids: Callable[[SiteName], tuple[Grid, ...]]
    codes: Callable[[SiteName], np.ndarray]


def emit(graph: Graph, result: Node, channels: int, sites: Sites, padding: Padding) -> tuple[Op, ...]:
    """The operations from picture to picture.

    Raises: SizeError for a length that is no polynomial in height and width, with its place.
    """
    start, end, coming_in, going_out = framed(graph, result, channels)
    if end is start:
        raise LoweringError("the network gives back its picture as it is; there is nothing to lower.")
    nodes = [node for node in reachable(end, start) if node is not start]
    names = names_of(nodes) | {start.index: "input"}
    ops = [_input(channels, coming_in, padding), *(_op(node, names, sites, graph) for node in nodes)]
    ends: dict[str, Attr] = {"range": going_out.white, "mean": going_out.mean}
    return (*ops, Op("output", "output", (names[end.index],), "output", ends))


def moved(graph: Graph) -> dict[SiteName, tuple[Op, ...]]:
    """For each site that a product reads from another place than the model: the operations that move its values."""
    found = {}
    for name, views in graph.moved.items():
        ops = []
        for kind, attrs in views:
            lengths = {key: _length(value, graph) if key in _LENGTHS.get(kind, ()) else value for key, value in attrs}
            ops.append(Op(kind, name, (name,), name, lengths))
        found[name] = tuple(ops)
    return found


def _input(channels: int, pixels: Pixels, padding: Padding) -> Op:
    attrs: dict[str, Attr] = {
        "channels": channels, "range": pixels.white, "mean": pixels.mean, "multiple": padding.multiple,
        "pad": padding.mode,
    }  # fmt: skip
    return Op("input", "input", (), "input", attrs)


def _op(node: Node, names: Mapping[int, str], sites: Sites, graph: Graph) -> Op:
    name = names[node.index]
    if node.kind in ("site", "input"):
        what = f"the site {node.attrs['name']!r}" if node.kind == "site" else "the picture"
        raise LoweringError(f"{what} in {node.place} is read by an operation that is no product of codes.")
    attrs = {key: _attr(node, key, value, graph) for key, value in node.attrs.items()}
    tensors = {role: np.ascontiguousarray(value) for role, value in node.tensors.items()}
    found = {role: Site(site, sites.grids(site)) for role, site in node.sites.items()}
    if "weight" in node.sites:
        del tensors["weight"]
        tensors = {"weight.codes": sites.codes(node.sites["weight"]), **tensors}
    return Op(node.kind, name, tuple(names[x.index] for x in node.inputs), name, attrs, tensors, found)


def _attr(node: Node, key: str, value: Any, graph: Graph) -> Attr:
    if key not in _LENGTHS.get(node.kind, ()):
        return value  # type: ignore[no-any-return]
    try:
        return _length(value, graph)
    except SizeError as error:
        raise SizeError(f"{node.kind} in {node.place}: {error}") from None


def _length(value: Any, graph: Graph) -> Attr:
    if value and isinstance(value[0], tuple):
        return tuple(fit(side, graph.sizes, graph.inside) for side in value)
    return () if value == () else fit(value, graph.sizes, graph.inside)
