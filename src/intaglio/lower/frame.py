"""The two ends of a program: what a network does to a picture first and last becomes attributes of ``input`` and
``output``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from intaglio.lower.graph import Graph, Node, reachable


@dataclass(frozen=True)
class Pixels:
    """The value of white inside the network and the mean that is subtracted, in units of [0, 1], for each channel."""

    white: float
    mean: tuple[float, ...]


def entered(result: Node, channels: int) -> tuple[Node, Pixels]:
    """The last node that only brings the picture to the network's own units, and those units.

    In a program the mean is subtracted before white is scaled; networks do it in either order, the same to rounding.
    """
    users: dict[int, list[Node]] = {}
    for node in reachable(result):
        for x in node.inputs:
            users.setdefault(x.index, []).append(node)
    node = next(x for x in reachable(result) if x.kind == "input")
    white, mean = 1.0, np.zeros(channels)
    while len(users.get(node.index, ())) == 1:
        (reader,) = users[node.index]
        shift = _shift_of(reader, node, channels)
        if shift is not None:
            mean = mean + shift / white
        elif reader.kind == "affine" and reader.attrs["scale"] > 0.0:
            mean = mean - reader.attrs["offset"] / (white * reader.attrs["scale"])
            white *= reader.attrs["scale"]
        else:
            break
        node = reader
    return node, Pixels(white, tuple(float(x) for x in mean))


def _shift_of(reader: Node, node: Node, channels: int) -> np.ndarray | None:
    """What a node subtracts from each channel of `node`, if that is what it does."""
    if reader.kind not in ("add", "sub") or len(reader.inputs) != 2 or reader.shape != node.shape:
        return None
    other = reader.inputs[1] if reader.inputs[0] is node else reader.inputs[0]
    if reader.kind == "sub" and reader.inputs[0] is not node:
        return None
    column = _column(other, channels)
    return column if column is None or reader.kind == "sub" else -column


def _column(node: Node, channels: int) -> np.ndarray | None:
    """One number for each channel, where a node is that."""
    if node.kind != "constant":
        return None
    value = node.tensors["value"].astype(np.float64)
    return value.reshape(-1) if value.shape == (channels, 1, 1) else None


def left(result: Node, channels: int) -> tuple[Node, Pixels]:
    """The node before the picture is brought back to units of [0, 1], and the units that it is in."""
    white = 1.0
    if result.kind == "div" and result.inputs[1].kind == "constant" and result.inputs[1].tensors["value"].size == 1:
        white = float(result.inputs[1].tensors["value"].reshape(-1)[0])
        result = result.inputs[0]
    elif result.kind == "affine" and result.attrs["offset"] == 0.0 and result.attrs["scale"] > 0.0:
        white = 1.0 / result.attrs["scale"]
        result = result.inputs[0]
    if result.kind == "add":
        for x, other in (result.inputs, result.inputs[::-1]):
            column = _column(other, channels)
            if column is not None and x.shape == result.shape:
                return x, Pixels(white, tuple(float(value) / white for value in column))
    if result.kind == "affine" and result.attrs["scale"] == 1.0:
        return result.inputs[0], Pixels(white, (result.attrs["offset"] / white,) * channels)
    return result, Pixels(white, (0.0,) * channels)


def framed(graph: Graph, result: Node, channels: int) -> tuple[Node, Node, Pixels, Pixels]:
    """Both ends: the node that ``input`` gives, the node that ``output`` takes, and their units."""
    before, going_out = left(result, channels)
    start, coming_in = entered(before, channels)
    return start, before, coming_in, going_out


def names_of(nodes: Sequence[Node]) -> dict[int, str]:
    """A name for each node, after the layer or product where it has sites, else after module and kind."""
    taken: dict[str, int] = {}
    names = {}
    for node in nodes:
        base = _base(node)
        taken[base] = taken.get(base, 0) + 1
        names[node.index] = base if taken[base] == 1 else f"{base}.{taken[base]}"
    return names


def _base(node: Node) -> str:
    if node.sites:
        return list(node.sites.values())[-1].rpartition(":")[0]
    own = node.place.module
    return f"{own}.{node.kind}" if own else node.kind
