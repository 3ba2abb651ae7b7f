"""Cross-correlation of a map (N, I, H, W) with kernels (O, I / groups, kh, kw), to (N, O, H', W').

``padding`` is top, left, bottom, right. Padding comes first (zeros, or mirrored without repeating the edge), then
quantization: padded zeros get the code that equation (2) gives to 0. Output channels are in ``groups`` equal groups,
and each sees the input channels of its group alone. With x the padded map, s the ``stride`` and d the ``dilation``,

    y[n, o, i, j] = bias[o] + sum over c, u, v of weight[o, c, u, v] * x[n, g + c, s i + d u, s j + d v]

where g is the first input channel of the group of o, by equation (5) where there are sites.
"""

from __future__ import annotations

from math import prod

from intaglio.packed.definition import Definition, Dim, Picture, Tensor, need, whole, wholes, word
from intaglio.packed.field import Field, Fields, Shape, Shapes, sliding
from intaglio.packed.program import Op

MAX_CHANNELS = 4096
MAX_KERNEL = 31


def kernels(op: Op) -> Shape:
    """The shape of the kernels: (O, I / groups, kh, kw)."""
    return tuple(op.tensors["weight.codes" if op.sites else "weight"].shape)


def _sides(op: Op, shape: Shape) -> list[int]:
    """Height and width of the output; below 1 where the padded map is too small."""
    top, left, bottom, right = op.integers("padding")
    sides = []
    for side, pad, kernel, stride, dilation in zip(
        shape[2:],
        (top + bottom, left + right),
        kernels(op)[2:],
        op.integers("stride"),
        op.integers("dilation"),
        strict=True,
    ):
        sides.append((side + pad - dilation * (kernel - 1) - 1) // stride + 1)
    return sides


def _shape(op: Op, shapes: Shapes, picture: Picture) -> Shape:
    outputs, inputs = kernels(op)[:2]
    channels = inputs * op.integer("groups")
    need(len(shapes[0]) == 4 and shapes[0][1] == channels, op, shapes, f"a map of {channels} channels")
    sides = _sides(op, shapes[0])
    need(min(sides) >= 1, op, shapes, "a map that is not smaller than the kernel")
    if op.text("pad_mode") == "reflect":
        top, left, bottom, right = op.integers("padding")
        fits = max(top, bottom) < shapes[0][2] and max(left, right) < shapes[0][3]
        need(fits, op, shapes, "a map larger than its reflected border")
    return shapes[0][0], outputs, sides[0], sides[1]


def _check(op: Op) -> str | None:
    outputs, inputs = kernels(op)[:2]
    groups = op.integer("groups")
    if outputs % groups or inputs * groups > MAX_CHANNELS:
        return f"groups must divide the output channels, and input channels be at most {MAX_CHANNELS}"
    return None


def _field(op: Op, fields: Fields, shapes: Shapes, out: Shape) -> Field | None:
    if out[2:] != shapes[0][2:] or op.integers("stride") != (1, 1):
        return None
    before = op.integers("padding")[:2]
    spans = [step * (kernel - 1) for step, kernel in zip(op.integers("dilation"), kernels(op)[2:], strict=True)]
    return sliding(fields[0], 4, before, [span - pad for span, pad in zip(spans, before, strict=True)])


def _cost(op: Op, shapes: Shapes, out: Shape) -> int:
    return prod(out) * prod(kernels(op)[1:])


_WEIGHT = (Dim("O", MAX_CHANNELS), Dim("I", MAX_CHANNELS), Dim("kh", MAX_KERNEL), Dim("kw", MAX_KERNEL))

DEFINITION = Definition(
    "conv2d",
    _shape,
    attrs={
        "stride": wholes(1, 16, 2),
        "padding": wholes(0, 64, 4),
        "dilation": wholes(1, 16, 2),
        "groups": whole(1, MAX_CHANNELS),
        "pad_mode": word("zeros", "reflect"),
    },
    tensors=(Tensor("weight", _WEIGHT, "weight"), Tensor("bias", _WEIGHT[:1], optional=True)),
    sites=("input", "weight"),
    check=_check,
    field=_field,
    cost=_cost,
)
