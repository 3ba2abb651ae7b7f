"""Pools, resizing, pixel shuffles and windows with overlap: operators of maps (N, C, H, W)."""

from __future__ import annotations

from collections.abc import Mapping

from intaglio.lower.align import Side
from intaglio.lower.aten.norms import reduce
from intaglio.lower.graph import Node
from intaglio.lower.operands import Operands, Result, Rule

CHANNELS, HEIGHT, WIDTH = 1, 2, 3


def _pool(function: str) -> Rule:
    def rule(t: Operands) -> Result:
        kernel = t.pair("kernel_size")
        stride = t.pair("stride") if t.has("stride") and t.raw("stride") != () else kernel
        padding = t.pair("padding")
        unusual = "dilation" in t.call.args and set(t.integers("dilation")) != {1}
        unusual |= bool(t.call.args.get("ceil_mode")) or t.call.args.get("divisor_override") is not None
        unusual |= function == "avg" and any(padding) and not t.call.args.get("count_include_pad", True)
        if unusual:
            t.refuse("is a dilated pool, rounds sizes up, or divides by something else than its window's size")
        attrs = {"function": function, "kernel": kernel, "stride": stride, "padding": padding}
        node = t.graph.node("pool2d", (t.node("self"),), t.shape, attrs)
        return node if len(t.shapes) == 1 else [node, None]

    return rule


def _adaptive(function: str) -> Rule:
    def rule(t: Operands) -> Result:
        x = t.node("self")
        node = _adapted(t, x, function)
        return node if len(t.shapes) == 1 else [node, None]

    return rule


def _adapted(t: Operands, x: Node, function: str) -> Node:
    if t.shape[-2:] == t.graph.shape(1, 1):
        last = (len(x.shape) - 2, len(x.shape) - 1)
        return reduce(t.graph, x, "mean" if function == "avg" else "max", last, keep=True)
    ratios = {
        (h // out_h, w // out_w, h % out_h, w % out_w)
        for h, w, out_h, out_w in zip(*x.shape[-2:], *t.shape[-2:], strict=True)
    }
    if len(ratios) > 1 or next(iter(ratios))[2:] != (0, 0):
        t.refuse_size("is an adaptive pool whose windows depend on the picture's size")
    kernel = next(iter(ratios))[:2]
    attrs = {"function": function, "kernel": kernel, "stride": kernel, "padding": (0, 0)}
    return t.graph.node("pool2d", (x,), t.shape, attrs)


def _resize(mode: str) -> Rule:
    def rule(t: Operands) -> Node:
        x = t.node("self" if "self" in t.call.args else "input")
        if t.call.args.get("align_corners"):
            t.refuse("aligns corners, which programs do not")
        if t.shape == x.shape:
            return x
        ratios = {(h / old_h, w / old_w) for h, w, old_h, old_w in zip(*t.shape[2:], *x.shape[2:], strict=True)}
        if len(ratios) == 1:
            attrs = {"mode": mode, "to": "factor", "factor": next(iter(ratios))}
            return t.graph.node("resize", (x,), t.shape, attrs)
        attrs = {"mode": mode, "to": "like", "factor": (1.0, 1.0)}
        return t.graph.node("resize", (x, _map_of(t, t.shape[HEIGHT], t.shape[WIDTH])), t.shape, attrs)

    return rule


def _map_of(t: Operands, height: Side, width: Side) -> Node:
    """The latest map with these sides."""
    for value in reversed(list(t.values.values())):
        if isinstance(value, Node) and len(value.shape) == 4 and value.shape[2:] == (height, width):
            return value.inputs[0] if value.kind == "site" else value
    return t.refuse_size("resizes to a size that no map of the network has")


def _pixel_shuffle(t: Operands) -> Node:
    factor = t.integer("upscale_factor")
    return t.graph.node("pixel_shuffle", (t.node("self"),), t.shape, {"factor": factor})


def _pixel_unshuffle(t: Operands) -> Node:
    factor = t.integer("downscale_factor")
    return t.graph.node("pixel_unshuffle", (t.node("self"),), t.shape, {"factor": factor})


def _channel_shuffle(t: Operands) -> Node:
    x, groups = t.node("self"), t.integer("groups")
    each = t.graph.side(x.shape[CHANNELS][0] // groups)
    split = t.graph.reshape(x, (x.shape[0], t.graph.side(groups), each, *x.shape[2:]))
    swapped = t.graph.permute(split, (0, 2, 1, *range(3, len(split.shape))))
    return t.graph.reshape(swapped, x.shape)


def _unfold(t: Operands) -> Node:
    if set(t.integers("dilation")) != {1}:
        t.refuse("cuts windows with gaps in them, which programs cannot")
    attrs = {name: t.pair(f"{name}_size" if name == "kernel" else name) for name in ("kernel", "stride", "padding")}
    return t.graph.node("unfold", (t.node("self"),), t.shape, attrs)


RULES: Mapping[str, Rule] = {
    "aten.max_pool2d_with_indices.default": _pool("max"),
    "aten.max_pool2d.default": _pool("max"),
    "aten.avg_pool2d.default": _pool("avg"),
    "aten._adaptive_avg_pool2d.default": _adaptive("avg"),
    "aten.adaptive_avg_pool2d.default": _adaptive("avg"),
    "aten.adaptive_max_pool2d.default": _adaptive("max"),
    **{
        f"aten.upsample_{name}2d.{overload}": _resize(name)
        for name in ("nearest", "bilinear", "bicubic")
        for overload in ("default", "vec")
    },
    "aten.pixel_shuffle.default": _pixel_shuffle,
    "aten.pixel_unshuffle.default": _pixel_unshuffle,
    "aten.channel_shuffle.default": _channel_shuffle,
    "aten.native_channel_shuffle.default": _channel_shuffle,
    "aten.im2col.default": _unfold,
}
