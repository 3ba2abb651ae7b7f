"""Views, slices, joins and paddings: what moves values and changes none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from intaglio.lower.align import Constant, Side
from intaglio.lower.graph import Graph, Node
from intaglio.lower.operands import Operands, Rule
from intaglio.lower.sides import plus


def _reshaped(t: Operands) -> Node:
    return t.graph.reshape(t.node("self"), t.shape)


def _expand(t: Operands) -> Node:
    return t.graph.expand(t.node("self"), t.shape)


def _permute(t: Operands) -> Node:
    x = t.node("self")
    return t.graph.permute(x, [axis % len(x.shape) for axis in t.integers("dims")])


def _transpose(t: Operands) -> Node:
    x = t.node("self")
    axes = list(range(len(x.shape)))
    one, two = t.axis("dim0", len(axes)), t.axis("dim1", len(axes))
    axes[one], axes[two] = axes[two], axes[one]
    return t.graph.permute(x, axes)


def _t(t: Operands) -> Node:
    x = t.node("self")
    return t.graph.permute(x, range(len(x.shape))[::-1])


def _slice(t: Operands) -> Node:
    x = t.node("self")
    axis, step = t.axis("dim", len(x.shape)), t.integer("step")
    length = x.shape[axis]
    start = _clipped(t, t.raw("start") if t.has("start") else 0, length)
    stop = _clipped(t, t.raw("end") if t.has("end") else 1 << 62, length)
    return t.graph.slice(x, axis, start, stop, step)


def _clipped(t: Operands, value: object, length: Side) -> Side:
    """An end of a slice as torch understands it: counted from the back where negative, within the axis."""
    ends = zip(t.side(value), length, strict=True)
    return tuple(min(max(end + side if end < 0 else end, 0), side) for end, side in ends)


def _select(t: Operands) -> Node:
    x = t.node("self")
    axis = t.axis("dim", len(x.shape))
    index = tuple(i + side if i < 0 else i for i, side in zip(t.side(t.raw("index")), x.shape[axis], strict=True))
    return t.graph.reshape(t.graph.slice(x, axis, index, plus(index, t.graph.side(1))), t.shape)


def _split(t: Operands) -> list[Node]:
    x = t.node("self")
    axis, start = t.axis("dim", len(x.shape)), t.graph.side(0)
    parts = []
    for shape in t.shapes:
        stop = plus(start, shape[axis])
        parts.append(t.graph.slice(x, axis, start, stop))
        start = stop
    return parts


def _unbind(t: Operands) -> list[Node]:
    x = t.node("self")
    axis = t.axis("dim", len(x.shape))
    slices = (t.graph.slice(x, axis, t.graph.side(i), t.graph.side(i + 1)) for i in range(len(t.shapes)))
    return [t.graph.reshape(one, shape) for one, shape in zip(slices, t.shapes, strict=True)]


def _cat(t: Operands) -> Node:
    parts = [x for x in t.nodes("tensors") if x.shape != t.graph.shape(0)]
    return t.graph.concat(parts, t.axis("dim", len(t.shape)))


def _stack(t: Operands) -> Node:
    axis = t.axis("dim", len(t.shape))
    one = (*t.shape[:axis], t.graph.side(1), *t.shape[axis + 1 :])
    return t.graph.concat([t.graph.reshape(x, one) for x in t.nodes("tensors")], axis)


def _roll(t: Operands) -> Node:
    x, shifts = t.node("self"), t.integers("shifts")
    if not t.has("dims") or t.raw("dims") == ():
        t.refuse("rolls a tensor without naming axes")
    axes = tuple(axis % len(x.shape) for axis in t.integers("dims"))
    kept = [(shift, axis) for shift, axis in zip(shifts, axes, strict=True) if shift]
    if not kept:
        return x
    attrs = {"shifts": tuple(shift for shift, _ in kept), "axes": tuple(axis for _, axis in kept)}
    return t.graph.node("roll", (x,), x.shape, attrs)


def _take(t: Operands, x: Node, axis: int, indices: Sequence[int]) -> Node:
    length = x.shape[axis]
    if len(set(length)) > 1:
        t.refuse("picks entries of an axis whose length follows from the picture's size")
    whole = np.asarray([index % length[0] for index in indices], dtype=np.int32)
    start, count = int(whole[0]), len(whole)
    if np.array_equal(whole, np.arange(start, start + count)):
        return t.graph.slice(x, axis, t.graph.side(start), t.graph.side(start + count))
    shape = (*x.shape[:axis], t.graph.side(count), *x.shape[axis + 1 :])
    return t.graph.node("take", (x,), shape, {"axis": axis}, {"indices": whole})


def _picked(t: Operands, x: Node, axis: int, table: object) -> Node:
    """`x` with the entries of an axis that a table of indices names."""
    if isinstance(table, Constant) and not table.fixed and all(one.dim() == 1 for one in table.tensors):
        return _continued(t, x, axis, [one.numpy() for one in table.tensors])
    return _take(t, x, axis, _indices(t, table))


def _continued(t: Operands, x: Node, axis: int, tables: Sequence[np.ndarray]) -> Node:
    """A table that follows from the size: a piece of the axis, or the whole of it continued at its ends."""
    lengths = x.shape[axis]
    starts = {int(table[0]) for table in tables}
    if all(np.array_equal(table, np.arange(table[0], table[0] + len(table))) for table in tables) and len(starts) == 1:
        start = t.graph.side(starts.pop())
        return t.graph.slice(x, axis, start, plus(start, tuple(len(table) for table in tables)))
    before = {int(np.argmax((table[:-1] == 0) & (table[1:] == 1))) for table in tables}
    if len(before) == 1:
        first = before.pop()
        lasts = tuple(len(table) - length - first for table, length in zip(tables, lengths, strict=True))
        for mode in ("mirror", "reflect", "edge", "circular") if min(lasts) >= 0 else ():
            expected = (_positions(length, first, last, mode) for length, last in zip(lengths, lasts, strict=True))
            if all(np.array_equal(table, one) for table, one in zip(tables, expected, strict=True)):
                widths = [t.graph.side(0)] * (2 * len(x.shape))
                widths[2 * axis], widths[2 * axis + 1] = t.graph.side(first), lasts
                return pad(t.graph, x, widths, mode)
    return t.refuse_size("picks entries by a table that follows from the picture's size in a way that programs cannot")


def _positions(length: int, before: int, after: int, mode: str) -> np.ndarray:
    """Where the entries of an axis come from that is continued at its ends."""
    position = np.arange(-before, length + after)
    if mode == "edge":
        return position.clip(0, length - 1)
    if mode == "circular":
        return position % length
    period = 2 * length if mode == "mirror" else max(1, 2 * length - 2)
    position = position % period
    return np.minimum(position, period - position - (1 if mode == "mirror" else 0))


def _indices(t: Operands, value: object) -> list[int]:
    if not isinstance(value, Constant) or not value.fixed or value.tensors[0].dim() > 1:
        t.refuse_size("picks entries by a table that depends on the picture or its size, or has several axes")
    chosen = value.tensors[0].reshape(-1)
    if chosen.dtype.is_floating_point or str(chosen.dtype) == "torch.bool":
        chosen = chosen.nonzero().reshape(-1)
    return [int(index) for index in chosen]


def _index_select(t: Operands) -> Node:
    x = t.node("self")
    return _picked(t, x, t.axis("dim", len(x.shape)), t.raw("index"))


def _index(t: Operands) -> Node:
    tables = [(axis, table) for axis, table in enumerate(t.raw("indices")) if table is not None]
    if len(tables) != 1:
        t.refuse("picks entries along several axes at once, which programs cannot")
    axis, table = tables[0]
    return _picked(t, t.node("self"), axis, table)


def _flip(t: Operands) -> Node:
    x = t.node("self")
    for axis in t.axes("dims", len(x.shape)):
        x = _take(t, x, axis, range(x.shape[axis][0])[::-1])
    return x


def _repeat(t: Operands) -> Node:
    x, times = t.node("self"), t.integers("repeats")
    x = t.graph.reshape(x, (*t.graph.shape(*(1,) * (len(times) - len(x.shape))), *x.shape))
    for axis, count in enumerate(times):
        if count > 1 and x.shape[axis] != t.graph.side(1):
            x = t.graph.concat([x] * count, axis)
    return t.graph.expand(x, t.shape)


def _padding(mode: str) -> Rule:
    def rule(t: Operands) -> Node:
        x, flat = t.node("self"), [t.side(value) for value in t.raw("pad" if mode == "zero" else "padding")]
        value = t.number("value") if mode == "zero" and t.has("value") else 0.0
        pairs = [(flat[i], flat[i + 1]) for i in range(0, len(flat), 2)][::-1]
        pairs = [(t.graph.side(0), t.graph.side(0))] * (len(x.shape) - len(pairs)) + pairs
        x = _cropped(t.graph, x, pairs)
        return pad(t.graph, x, [_positive(side) for pair in pairs for side in pair], mode, value)

    return rule


def _cropped(graph: Graph, x: Node, pairs: Sequence[tuple[Side, Side]]) -> Node:
    """What is left where a padding is negative, which crops."""
    for axis, (before, after) in enumerate(pairs):
        if min(before) < 0 or min(after) < 0:
            stop = plus(x.shape[axis], tuple(min(side, 0) for side in after))
            x = graph.slice(x, axis, tuple(max(-side, 0) for side in before), stop)
    return x


def _positive(lengths: Side) -> Side:
    return tuple(max(side, 0) for side in lengths)


def _scatter(t: Operands) -> Node:
    """A box of `self` replaced by `src`: cut away and joined again, axis by axis."""
    x, src = t.node("self"), t.node("src")
    boxes = [t.side(start) for start in t.raw("starts")]
    return _placed(t.graph, x, src, boxes, 0)


def _placed(graph: Graph, x: Node, src: Node, starts: Sequence[Side], axis: int) -> Node:
    if axis == len(starts):
        return src
    start, stop = starts[axis], plus(starts[axis], src.shape[axis])
    if start == graph.side(0) and stop == x.shape[axis]:
        return _placed(graph, x, src, starts, axis + 1)
    middle = _placed(graph, graph.slice(x, axis, start, stop), src, starts, axis + 1)
    parts = [graph.slice(x, axis, graph.side(0), start)] if max(start) > 0 else []
    parts.append(middle)
    if stop != x.shape[axis]:
        parts.append(graph.slice(x, axis, stop, x.shape[axis]))
    return graph.concat(parts, axis)


def _strided(t: Operands) -> Node:
    x = t.node("self")
    longer = sum(any(side > 1 for side in lengths) for lengths in t.shape)
    if t.shape != x.shape or longer > 1:
        t.refuse("reads memory in an order of its own, which programs cannot")
    return x


def pad(graph: Graph, x: Node, widths: Sequence[Side], mode: str, value: float = 0.0) -> Node:
    """`x` continued before and after along each axis, two lengths an axis."""
    if not any(any(side) for side in widths):
        return x
    pairs = zip(x.shape, widths[::2], widths[1::2], strict=True)
    shape = tuple(plus(plus(side, before), after) for side, before, after in pairs)
    return graph.node("pad", (x,), shape, {"widths": tuple(widths), "mode": mode, "value": float(value)})


RULES: Mapping[str, Rule] = {
    **{
        f"aten.{name}": _reshaped
        for name in (
            "view.default", "_unsafe_view.default", "reshape.default", "_reshape_alias.default", "unsqueeze.default",
            "squeeze.default", "squeeze.dim", "squeeze.dims", "flatten.using_ints", "unflatten.int", "view_as.default",
        )
    },
    "aten.expand.default": _expand,
    "aten.permute.default": _permute,
    "aten.transpose.int": _transpose,
    "aten.t.default": _t,
    "aten.as_strided.default": _strided,
    "intaglio.scatter.default": _scatter,
    "aten.slice.Tensor": _slice,
    "aten.select.int": _select,
    "aten.split.Tensor": _split,
    "aten.split_with_sizes.default": _split,
    "aten.unbind.int": _unbind,
    "aten.cat.default": _cat,
    "aten.stack.default": _stack,
    "aten.roll.default": _roll,
    "aten.index_select.default": _index_select,
    "aten.index.Tensor": _index,
    "aten.flip.default": _flip,
    "aten.repeat.default": _repeat,
    "aten.constant_pad_nd.default": _padding("zero"),
    "aten.reflection_pad1d.default": _padding("reflect"),
    "aten.reflection_pad2d.default": _padding("reflect"),
    "aten.replication_pad1d.default": _padding("edge"),
    "aten.replication_pad2d.default": _padding("edge"),
}  # fmt: skip
