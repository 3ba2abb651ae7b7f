"""A transformer that no fused kernel knows: attention over channels, overlapping windows, gates, padding of its own."""

from __future__ import annotations

import numpy as np

from intaglio.packed.examples.maker import Maker
from intaglio.packed.size import AREA, H, W

_SIDE = 4


def mixed(maker: Maker, dim: int, heads: int, blocks: int, scale: int) -> None:
    """The whole program; it holds every operation that ``swin`` and ``cnn`` have not."""
    picture = maker.input(multiple=_SIDE, pad="reflect")
    shallow = maker.conv("head", picture, 3, dim, pad_mode="reflect", act="mish")
    x = shallow
    for index in range(blocks):
        x = _channels(maker, f"{index}.channels", x, dim, heads)
        x = _overlapping(maker, f"{index}.overlap", x, dim)
        x = _gates(maker, f"{index}.gates", x, dim)
        x = _order(maker, f"{index}.order", x, dim)
    x = maker.conv("dilated", x, dim, dim, dilation=(2, 2), padding=(2, 2, 2, 2), groups=dim, act="hard_swish")
    x = maker.emit("add", "residual", (x, shallow))
    x = maker.conv("upsample", x, dim, 3 * scale**2, act="softplus")
    x = maker.emit("affine", "quiet", (x,), {"scale": 0.25, "offset": -0.125})
    x = maker.emit("pixel_shuffle", "shuffle", (x,), {"factor": scale})
    maker.output(maker.emit("add", "sum", (x, maker.resize("base", picture, "bicubic", float(scale)))))


def _channels(maker: Maker, name: str, x: str, dim: int, heads: int) -> str:
    """Attention over channels (transposed): (heads, d, H W) times (heads, H W, d)."""
    per_head = dim // heads
    qkv = maker.conv(f"{name}.qkv", x, dim, 3 * dim, kernel=1, bias=False)
    qkv = maker.conv(f"{name}.depthwise", qkv, 3 * dim, 3 * dim, groups=3 * dim)
    parts = {}
    for index, part in enumerate("qkv"):
        value = maker.slice(f"{name}.{part}", qkv, 1, index * dim, (index + 1) * dim)
        value = maker.reshape(f"{name}.{part}.heads", value, heads, per_head, AREA)
        if part != "v":
            value = maker.emit("normalize", f"{name}.{part}.unit", (value,), {"axis": 2, "eps": 1e-12})
            value = maker.emit("affine", f"{name}.{part}.long", (value,), {"scale": 4.0, "offset": 0.0625})
        parts[part] = value
    keys = maker.permute(f"{name}.k.last", parts["k"], 0, 2, 1)
    scores = maker.matmul(f"{name}.scores", parts["q"], keys)
    heat = maker.emit("constant", f"{name}.temperature", (), {}, {"value": maker.floats(heads, 1, 1) + np.float32(1)})
    scores = maker.emit("mul", f"{name}.heated", (scores, heat))
    floor = maker.emit("constant", f"{name}.floor", (), {}, {"value": np.full((), -8.0, np.float32)})
    scores = maker.emit("maximum", f"{name}.above", (scores, floor))
    shares = maker.emit("softmax", f"{name}.softmax", (scores,), {"axis": 2})
    mixed_ = maker.matmul(f"{name}.context", shares, parts["v"], a_bounds=(0.0, 1.0))
    out = maker.conv(f"{name}.proj", maker.reshape(f"{name}.map", mixed_, 1, dim, H, W), dim, dim, kernel=1)
    return maker.emit("add", f"{name}.add", (x, out))


def _overlapping(maker: Maker, name: str, x: str, dim: int) -> str:
    """Queries of windows against keys of larger windows about them."""
    tokens, wide, windows = _SIDE**2, (_SIDE + 2) ** 2, AREA / _SIDE**2
    grid = {"kernel": (_SIDE, _SIDE), "stride": (_SIDE, _SIDE), "padding": (0, 0)}
    around = grid | {"kernel": (_SIDE + 2, _SIDE + 2), "padding": (1, 1)}
    cut = {}
    for part, attrs, count in (("q", grid, tokens), ("k", around, wide)):
        columns = maker.emit("unfold", f"{name}.{part}.unfold", (x,), attrs)
        rows = maker.permute(f"{name}.{part}.rows", columns, 0, 2, 1)
        value = maker.reshape(f"{name}.{part}.cut", rows, windows, dim, count)
        value = maker.norm(f"{name}.{part}.norm", maker.permute(f"{name}.{part}.tokens", value, 0, 2, 1), dim)
        cut[part] = maker.linear(f"{name}.{part}", value, dim, dim)
    scores = maker.matmul(f"{name}.scores", cut["q"], maker.permute(f"{name}.k.last", cut["k"], 0, 2, 1))
    shares = maker.emit("softmax", f"{name}.softmax", (scores,), {"axis": 2})
    out = maker.matmul(f"{name}.context", shares, cut["k"], a_bounds=(0.0, 2.0 / wide))
    out = maker.reshape(f"{name}.back", out, 1, H / _SIDE, W / _SIDE, _SIDE, _SIDE, dim)
    out = maker.reshape(f"{name}.map", maker.permute(f"{name}.back1", out, 0, 5, 1, 3, 2, 4), 1, dim, H, W)
    return maker.emit("add", f"{name}.add", (x, out))


def _gates(maker: Maker, name: str, x: str, dim: int) -> str:
    """Statistics of the map steer it: mean and variance, the largest value, pools, a coarse map."""
    mean = maker.reduce(f"{name}.mean", x, "mean", 2, 3)
    spread = maker.act(f"{name}.rsqrt", maker.reduce(f"{name}.var", x, "var", 2, 3), "softplus")
    x = maker.emit("div", f"{name}.div", (maker.emit("sub", f"{name}.sub", (x, mean)), spread))
    largest = maker.reduce(f"{name}.max", x, "max", 2, 3, keep=0)
    gate = maker.act(f"{name}.sigmoid", maker.linear(f"{name}.squeeze", largest, dim, dim), "hard_sigmoid")
    gate = maker.reshape(f"{name}.gate", gate, 1, dim, 1, 1)
    gate = maker.emit("expand", f"{name}.wide", (gate,), {"shape": (1, dim, H, W)})
    x = maker.emit("mul", f"{name}.gated", (x, gate))
    coarse = maker.emit("pixel_unshuffle", f"{name}.coarse", (x,), {"factor": 2})
    coarse = maker.conv(f"{name}.conv", coarse, 4 * dim, dim, act="gelu_tanh")
    pool = {"function": "avg", "kernel": (3, 3), "stride": (1, 1), "padding": (1, 1)}
    coarse = maker.emit("pool2d", f"{name}.pool", (coarse,), pool)
    fine = maker.resize(f"{name}.fine", coarse, "bilinear", 2.0)
    return maker.emit("minimum", f"{name}.min", (x, maker.act(f"{name}.tanh", fine, "tanh")))


def _order(maker: Maker, name: str, x: str, dim: int) -> str:
    """Places and channels moved about."""
    attrs = {"widths": (0, 0, 0, 0, 1, 2, 2, 1), "mode": "circular", "value": 0.0}
    wide = maker.emit("pad", f"{name}.pad", (x,), attrs)
    part = maker.slice(f"{name}.rows", wide, 2, 2, H + 2)
    part = maker.slice(f"{name}.columns", part, 3, 1, W + 1)
    turned = maker.emit("roll", f"{name}.roll", (part,), {"shifts": (1, -2), "axes": (2, 1)})
    shuffled = maker.rng.permutation(dim).astype(np.int32)
    mixed_ = maker.emit("take", f"{name}.take", (turned,), {"axis": 1}, {"indices": shuffled})
    both = maker.emit("concat", f"{name}.concat", (x, mixed_), {"axis": 1})
    return maker.conv(f"{name}.fuse", both, 2 * dim, dim, kernel=1, act="silu")
