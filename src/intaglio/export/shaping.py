"""Padding, rolling, shuffling and windows in ONNX: what moves numbers and computes none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from intaglio.export.graph import INT64, Graph
from intaglio.packed.program import Op
from intaglio.packed.size import Extent

FARTHEST = np.iinfo(np.int64).max
"""As the end of a slice: to the end."""

Emit = Callable[[Graph, Op, Sequence[str]], str]
"""Writes the nodes of an operation; takes the names of its inputs, returns that of its value."""


def side(graph: Graph, x: str, axis: int) -> str:
    """The length of an axis as a list of one integer."""
    return graph.node("Shape", [x], start=axis, end=axis + 1)


def counted(graph: Graph, stop: str) -> str:
    """0, 1, ... below a length that is given as a list of one integer."""
    scalar = [graph.constant(np.asarray(value, np.int64), "scalar") for value in (0, 1)]
    return graph.node("Range", [scalar[0], graph.node("Squeeze", [stop, graph.whole(0)]), scalar[1]])


def cut(graph: Graph, x: str, axis: int, start: str, stop: str, step: int = 1) -> str:
    """Places `start`, `start` + `step`, ... below `stop` of an axis."""
    return graph.node("Slice", [x, start, stop, graph.whole(axis), graph.whole(step)])


def continued(graph: Graph, mode: str, length: str, places: str) -> str:
    """The place within `length` that each of `places`, from 0 on, repeats: ``mirror``, ``reflect``, ``edge``.

    Mirrors are periodic, so that one pixel fills a map.
    """
    one = graph.whole(1)
    if mode == "edge":
        return graph.node("Min", [places, graph.node("Sub", [length, one])])
    if mode == "mirror":
        period = graph.node("Mul", [length, graph.whole(2)])
        far = graph.node("Sub", [period, one])
    else:
        far = graph.node("Sub", [graph.node("Mul", [length, graph.whole(2)]), graph.whole(2)])
        period = graph.node("Max", [far, one])
    within = graph.node("Mod", [places, period])
    return graph.node("Min", [within, graph.node("Max", [graph.node("Sub", [far, within]), graph.whole(0)])])


def padded(graph: Graph, op: Op, x: str) -> str:
    """The map of a convolution with its padding around it."""
    top, left, bottom, right = op.integers("padding")
    if not any((top, left, bottom, right)):
        return x
    widths = graph.whole(0, 0, top, left, 0, 0, bottom, right)
    if op.text("pad_mode") == "reflect":
        return graph.node("Pad", [x, widths], mode="reflect")
    return graph.node("Pad", [x, widths, graph.number(0.0)])


def pad(graph: Graph, op: Op, inputs: Sequence[str]) -> str:
    """Places before and after, axis by axis."""
    x, mode, widths = inputs[0], op.text("mode"), op.extents("widths")
    if mode == "zero":
        pads = graph.lengths((*widths[::2], *widths[1::2]))
        return graph.node("Pad", [x, pads, graph.number(op.real("value"))])
    for axis, (before, after) in enumerate(zip(widths[::2], widths[1::2], strict=True)):
        if (before, after) != (0, 0):
            x = _pad_axis(graph, x, mode, axis, (before, after))
    return x


def _pad_axis(graph: Graph, x: str, mode: str, axis: int, widths: tuple[Extent, Extent]) -> str:
    length = side(graph, x, axis)
    before, after = (graph.extent(width) for width in widths)
    whole = graph.node("Add", [graph.node("Add", [length, before]), after])
    places = graph.node("Sub", [counted(graph, whole), before])
    if mode == "circular":
        # Mod of ONNX takes the sign of the divisor, as a mirror needs it; at most one length is added on each side.
        return graph.node("Gather", [x, graph.node("Mod", [places, length])], axis=axis)
    if mode == "edge":
        places = graph.node("Max", [places, graph.whole(0)])
        return graph.node("Gather", [x, continued(graph, mode, length, places)], axis=axis)
    # Reflected about the first place: -1 becomes 1 ("reflect") or 0 ("mirror").
    mirrored = graph.node("Sub", [graph.whole(0 if mode == "reflect" else -1), places])
    places = graph.node("Max", [places, mirrored])
    return graph.node("Gather", [x, continued(graph, mode, length, places)], axis=axis)


def reshape(graph: Graph, op: Op, inputs: Sequence[str]) -> str:
    """The same numbers under another shape."""
    return graph.node("Reshape", [inputs[0], graph.lengths(op.extents("shape"))])


def expand(graph: Graph, op: Op, inputs: Sequence[str]) -> str:
    """Lengths of 1 repeated."""
    return graph.node("Expand", [inputs[0], graph.lengths(op.extents("shape"))])


def slice_(graph: Graph, op: Op, inputs: Sequence[str]) -> str:
    """Places of one axis."""
    start, stop = graph.extent(op.extent("start")), graph.extent(op.extent("stop"))
    return cut(graph, inputs[0], op.integer("axis"), start, stop, op.integer("step"))


def roll(graph: Graph, op: Op, inputs: Sequence[str]) -> str:
    """Places moved round along axes: the last ``shift`` of them come first."""
    x = inputs[0]
    for shift, axis in zip(op.integers("shifts"), op.integers("axes"), strict=True):
        length = side(graph, x, axis)
        turn = graph.node("Mod", [graph.whole(-shift), length])
        first = cut(graph, x, axis, turn, graph.whole(FARTHEST))
        x = graph.node("Concat", [first, cut(graph, x, axis, graph.whole(0), turn)], axis=axis)
    return x


def take(graph: Graph, op: Op, inputs: Sequence[str]) -> str:
    """Places of an axis by number."""
    indices = graph.constant(op.tensors["indices"].astype(np.int64), "indices")
    return graph.node("Gather", [inputs[0], indices], axis=op.integer("axis"))


def pixel_shuffle(graph: Graph, op: Op, inputs: Sequence[str]) -> str:
    """Channels to pixels."""
    return graph.node("DepthToSpace", [inputs[0]], blocksize=op.integer("factor"), mode="CRD")


def pixel_unshuffle(graph: Graph, op: Op, inputs: Sequence[str]) -> str:
    """Pixels to channels: SpaceToDepth keeps a pixel's place outermost, so that channels are brought in front again."""
    factor, x = op.integer("factor"), inputs[0]
    deep = graph.node("SpaceToDepth", [x], blocksize=factor)
    batch, channels, height, width = (side(graph, x, 0), side(graph, x, 1), side(graph, deep, 2), side(graph, deep, 3))
    apart = graph.node("Concat", [batch, graph.whole(factor**2), channels, height, width], axis=0)
    turned = graph.node("Transpose", [graph.node("Reshape", [deep, apart])], perm=[0, 2, 1, 3, 4])
    together = graph.node("Concat", [batch, graph.whole(-1), height, width], axis=0)
    return graph.node("Reshape", [turned, together])


def unfold(graph: Graph, op: Op, inputs: Sequence[str]) -> str:
    """Windows of a map as columns: one slice for each place of the window, side by side."""
    (high, wide), (down, across), (pad_y, pad_x) = (op.integers(name) for name in ("kernel", "stride", "padding"))
    x = graph.node("Pad", [inputs[0], graph.whole(0, 0, pad_y, pad_x, 0, 0, pad_y, pad_x), graph.number(0.0)])
    height, width = side(graph, x, 2), side(graph, x, 3)
    taps = []
    for row in range(high):
        stop = graph.node("Sub", [height, graph.whole(high - 1 - row)])
        rows = cut(graph, x, 2, graph.whole(row), stop, down)
        for column in range(wide):
            end = graph.node("Sub", [width, graph.whole(wide - 1 - column)])
            tap = cut(graph, rows, 3, graph.whole(column), end, across)
            taps.append(graph.node("Unsqueeze", [tap, graph.whole(2)]))
    columns = graph.node("Concat", taps, axis=2)
    batch, channels = side(graph, inputs[0], 0), side(graph, inputs[0], 1)
    rows_out = graph.node("Mul", [channels, graph.whole(high * wide)])
    return graph.node("Reshape", [columns, graph.node("Concat", [batch, rows_out, graph.whole(-1)], axis=0)])


def position_bias(graph: Graph, op: Op, inputs: Sequence[str]) -> str:
    """The relative position bias: rows of the table by query and key."""
    from intaglio.runtime.reference.windows import relative_index

    height, width = op.integers("window")
    index = graph.constant(relative_index(height, width).astype(np.int64), "relative_index")
    rows = graph.node("Gather", [graph.constant(op.tensors["table"], f"{op.name}.table"), index], axis=0)
    return graph.node("Transpose", [rows], perm=[2, 0, 1])


def shift_mask(graph: Graph, op: Op, inputs: Sequence[str]) -> str:
    """0 where two tokens of a shifted window may see each other, ``value`` where not."""
    windows, shifts = op.integers("window"), op.integers("shift")
    regions = []
    for name, window, shift in zip(("height", "width"), windows, shifts, strict=True):
        length = graph.extent(op.extent(name))
        places = counted(graph, length)
        beyond = [
            graph.node("Cast", [graph.node("GreaterOrEqual", [places, edge])], to=INT64)
            for edge in (graph.node("Sub", [length, graph.whole(part)]) for part in (window, shift))
        ]
        region = graph.node("Add", beyond)
        regions.append(graph.node("Reshape", [region, graph.whole(-1, window)]))
    rows, columns = regions  # (windows down, h), (windows across, w)
    down, across = side(graph, rows, 0), side(graph, columns, 0)
    rows = graph.node("Mul", [graph.node("Unsqueeze", [rows, graph.whole(1, 3)]), graph.whole(3)])
    both = graph.node("Add", [rows, graph.node("Unsqueeze", [columns, graph.whole(0, 2)])])  # (down, across, h, w)
    count = graph.node("Mul", [down, across])
    tokens = graph.node("Concat", [count, graph.whole(windows[0] * windows[1])], axis=0)
    flat = graph.node("Reshape", [both, tokens])
    queries, keys = (graph.node("Unsqueeze", [flat, graph.whole(axis)]) for axis in (2, 1))
    same = graph.node("Equal", [queries, keys])
    return graph.node("Where", [same, graph.number(0.0), graph.number(op.real("value"))])


def entered(graph: Graph, op: Op, planes: str) -> str:
    """The picture as a map: shifted, scaled, continued right and down to whole multiples. Names the padded sides."""
    mean = np.asarray(op.reals("mean"), np.float32)
    x = planes
    if mean.any():
        x = graph.node("Sub", [x, graph.constant(mean.reshape(1, -1, 1, 1), "mean")])
    if op.real("range") != 1.0:
        x = graph.node("Mul", [x, graph.number(op.real("range"))])
    multiple, sides = op.integer("multiple"), []
    for axis in (2, 3):
        length = side(graph, planes, axis)
        if multiple == 1:
            sides.append(length)
            continue
        more = graph.node("Div", [graph.node("Add", [length, graph.whole(multiple - 1)]), graph.whole(multiple)])
        whole = graph.node("Mul", [more, graph.whole(multiple)])
        sides.append(whole)
        if op.text("pad") == "zero":
            missing = graph.node("Sub", [whole, length])
            nothing = [graph.whole(0)] * 8
            nothing[4 + axis] = missing
            x = graph.node("Pad", [x, graph.node("Concat", nothing, axis=0), graph.number(0.0)])
        else:
            places = continued(graph, op.text("pad"), length, counted(graph, whole))
            x = graph.node("Gather", [x, places], axis=axis)
    graph.set_sides(*sides)
    return x


def left(graph: Graph, op: Op, x: str, planes: str, scale: int, output: str) -> str:
    """The map as planes: scaled and shifted back, cropped to `scale` times the sides of the picture."""
    mean = np.asarray(op.reals("mean"), np.float32)
    if op.real("range") != 1.0:
        x = graph.node("Div", [x, graph.number(op.real("range"))])
    if mean.any():
        x = graph.node("Add", [x, graph.constant(mean.reshape(1, -1, 1, 1), "mean")])
    sides = graph.node("Mul", [graph.node("Shape", [planes], start=2), graph.whole(scale)])
    return graph.node("Slice", [x, graph.whole(0, 0), sides, graph.whole(2, 3)], output=output)


SHAPING: Mapping[str, Emit] = MappingProxyType(
    {
        "pad": pad,
        "reshape": reshape,
        "expand": expand,
        "slice": slice_,
        "roll": roll,
        "take": take,
        "permute": lambda graph, op, x: graph.node("Transpose", [x[0]], perm=op.integers("axes")),
        "concat": lambda graph, op, x: graph.node("Concat", x, axis=op.integer("axis")),
        "pixel_shuffle": pixel_shuffle,
        "pixel_unshuffle": pixel_unshuffle,
        "unfold": unfold,
        "constant": lambda graph, op, x: graph.constant(op.tensors["value"], op.name),
        "position_bias": position_bias,
        "shift_mask": shift_mask,
    }
)
"""The operations of this file by kind."""
