"""A network of Swin blocks, in the form in which lowering writes them: the one that the native engine fuses."""

from __future__ import annotations

from intaglio.packed.examples.maker import Maker
from intaglio.packed.size import AREA, H, W

MASKED = -100.0


def swin(maker: Maker, dim: int, heads: int, window: int, blocks: int, scale: int) -> None:
    """The whole program, every other block shifted."""
    x = maker.input(multiple=window)
    shallow = maker.conv("conv_first", x, 3, dim)
    x = maker.permute("tokens", shallow, 0, 2, 3, 1)
    mask = None
    for index in range(blocks):
        shift = window // 2 * (index % 2)
        if shift and mask is None:
            mask = shift_mask(maker, window, shift)
        x = block(maker, f"layers.0.blocks.{index}", x, dim, heads, window, shift, mask if shift else None)
    x = maker.norm("norm", x, dim)
    x = maker.permute("planes", x, 0, 3, 1, 2)
    x = maker.conv("conv_after_body", x, dim, dim)
    x = maker.emit("add", "residual", (x, shallow))
    x = maker.conv("upsample", x, dim, 3 * scale**2)
    maker.output(maker.emit("pixel_shuffle", "shuffle", (x,), {"factor": scale}))


def shift_mask(maker: Maker, window: int, shift: int) -> str:
    """The mask that all shifted blocks share, (windows, 1, T, T)."""
    attrs = {"window": (window, window), "shift": (shift, shift), "height": H, "width": W, "value": MASKED}
    tokens = window * window
    return maker.reshape("mask", maker.emit("shift_mask", "mask.regions", (), attrs), AREA / tokens, 1, tokens, tokens)


def block(maker: Maker, name: str, x: str, dim: int, heads: int, window: int, shift: int, mask: str | None) -> str:
    """One block on tokens (1, H, W, dim)."""
    x = maker.emit("add", f"{name}.add1", (x, _attention(maker, name, x, dim, heads, window, shift, mask)))
    hidden = 2 * dim
    m = maker.linear(f"{name}.fc1", maker.norm(f"{name}.norm2", x, dim), dim, hidden)
    m = maker.act(f"{name}.gelu", m, "gelu")
    m = maker.linear(f"{name}.fc2", m, hidden, dim, bounds=(-0.2, 2.0))
    return maker.emit("add", f"{name}.add2", (x, m))


def _attention(maker: Maker, name: str, x: str, dim: int, heads: int, window: int, shift: int, mask: str | None) -> str:
    tokens, per_head, windows = window * window, dim // heads, AREA / (window * window)
    x = maker.norm(f"{name}.norm1", x, dim)
    if shift:
        x = maker.emit("roll", f"{name}.roll", (x,), {"shifts": (-shift, -shift), "axes": (1, 2)})
    x = maker.reshape(f"{name}.cut", x, 1, H / window, window, W / window, window, dim)
    x = maker.reshape(f"{name}.windows", maker.permute(f"{name}.cut1", x, 0, 1, 3, 2, 4, 5), windows, tokens, dim)
    parts = {}
    for part in "qkv":
        value = maker.linear(f"{name}.{part}", x, dim, dim)
        if part == "q":
            value = maker.emit("affine", f"{name}.scale", (value,), {"scale": per_head**-0.5, "offset": 0.0})
        value = maker.reshape(f"{name}.{part}.heads", value, windows, tokens, heads, per_head)
        order = (0, 2, 3, 1) if part == "k" else (0, 2, 1, 3)
        parts[part] = maker.permute(f"{name}.{part}.first", value, *order)
    scores = maker.matmul(f"{name}.scores", parts["q"], parts["k"])
    table = {"table": maker.floats((2 * window - 1) ** 2, heads)}
    bias = maker.emit("position_bias", f"{name}.table", (), {"window": (window, window)}, table)
    scores = maker.emit("add", f"{name}.biased", (scores, bias))
    if mask is not None:
        scores = maker.emit("add", f"{name}.masked", (scores, mask))
    shares = maker.emit("softmax", f"{name}.softmax", (scores,), {"axis": 3})
    x = maker.matmul(f"{name}.context", shares, parts["v"], a_bounds=(0.0, 4.0 / tokens))
    x = maker.reshape(f"{name}.joined", maker.permute(f"{name}.context1", x, 0, 2, 1, 3), windows, tokens, dim)
    x = maker.linear(f"{name}.proj", x, dim, dim)
    x = maker.reshape(f"{name}.back", x, 1, H / window, W / window, window, window, dim)
    x = maker.reshape(f"{name}.raster", maker.permute(f"{name}.back1", x, 0, 1, 3, 2, 4, 5), 1, H, W, dim)
    if shift:
        x = maker.emit("roll", f"{name}.unroll", (x,), {"shifts": (shift, shift), "axes": (1, 2)})
    return x
