"""A network of convolutions: residual blocks, gates of channels and of space, resizing."""

from __future__ import annotations

from intaglio.packed.examples.maker import Maker


def cnn(maker: Maker, dim: int, blocks: int, scale: int) -> None:
    """The whole program."""
    picture = maker.input(multiple=1)
    shallow = x = maker.conv("head", picture, 3, dim, kernel=5, act="prelu")
    for index in range(blocks):
        skip = x
        x = maker.conv(f"body.{index}.conv1", x, dim, dim, act="leaky_relu")
        x = maker.conv(f"body.{index}.conv2", x, dim, dim)
        x = maker.emit("affine", f"body.{index}.scale", (x,), {"scale": 0.5, "offset": 0.0})
        x = maker.emit("add", f"body.{index}.add", (x, skip))
    squeezed = maker.reduce("attention.mean", x, "mean", 2, 3)
    squeezed = maker.conv("attention.conv", squeezed, dim, dim, kernel=1, act="sigmoid")
    x = maker.emit("mul", "attention.mul", (x, squeezed))
    small = maker.conv("spatial.conv", x, dim, dim, stride=(2, 2), act="relu")
    pool = {"function": "max", "kernel": (2, 2), "stride": (1, 1), "padding": (0, 0)}
    small = maker.emit("pool2d", "spatial.pool", (small,), pool)
    gate = maker.emit("resize", "spatial.resize", (small, x), {"mode": "bilinear", "to": "like", "factor": (1.0, 1.0)})
    gate = maker.act("spatial.gate", gate, "prelu", channels=dim)
    x = maker.emit("mul", "spatial.mul", (x, gate))
    x = maker.emit("concat", "concat", (x, shallow), {"axis": 1})
    x = maker.conv("fuse", x, 2 * dim, dim, kernel=1, act="gelu")
    x = maker.resize("nearest", x, "nearest", float(scale))
    x = maker.conv("tail", x, dim, 3, act="silu")
    base = maker.resize("base", picture, "bilinear", float(scale))
    maker.output(maker.emit("add", "sum", (x, base)))
