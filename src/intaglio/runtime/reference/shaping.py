"""Operations that move numbers and compute none: shapes, axes, places."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from intaglio._shapes import Float32
from intaglio.packed.definition import Picture, length, lengths
from intaglio.packed.program import Op
from intaglio.runtime.reference.conv import kernel_taps
from intaglio.runtime.reference.probe import Probe

Value = Float32[np.ndarray, "..."]


def reshape(op: Op, inputs: Sequence[Value], probe: Probe, picture: Picture) -> Value:
    """The same numbers in the same order under another shape."""
    wanted = op.extents("shape")
    known = iter(lengths_but_rest(op, picture))
    return inputs[0].reshape(tuple(-1 if one == -1 else next(known) for one in wanted))


def lengths_but_rest(op: Op, picture: Picture) -> list[int]:
    """The lengths of ``shape`` for this picture, without the -1."""
    named = tuple(one for one in op.extents("shape") if one != -1)
    return list(lengths(Op(op.kind, op.name, (), "", {"shape": named}), "shape", picture))


def permute(op: Op, inputs: Sequence[Value], probe: Probe, picture: Picture) -> Value:
    """Axes in another order."""
    return np.ascontiguousarray(inputs[0].transpose(op.integers("axes")))


def expand(op: Op, inputs: Sequence[Value], probe: Probe, picture: Picture) -> Value:
    """Lengths of 1 repeated."""
    return np.array(np.broadcast_to(inputs[0], lengths(op, "shape", picture)))


def slice_(op: Op, inputs: Sequence[Value], probe: Probe, picture: Picture) -> Value:
    """Places of one axis."""
    places = slice(length(op, "start", picture), length(op, "stop", picture), op.integer("step"))
    return np.array(inputs[0][(slice(None),) * op.integer("axis") + (places,)])


def concat(op: Op, inputs: Sequence[Value], probe: Probe, picture: Picture) -> Value:
    """Values one after another along an axis."""
    return np.concatenate(inputs, axis=op.integer("axis"))


_PAD_MODES = {"zero": "constant", "reflect": "reflect", "mirror": "symmetric", "edge": "edge", "circular": "wrap"}


def pad(op: Op, inputs: Sequence[Value], probe: Probe, picture: Picture) -> Value:
    """Places before and after, axis by axis."""
    widths = lengths(op, "widths", picture)
    pairs = list(zip(widths[::2], widths[1::2], strict=True))
    if not pairs:
        return inputs[0]
    mode = _PAD_MODES[op.text("mode")]
    filling = {"constant_values": np.float32(op.real("value"))} if mode == "constant" else {}
    return np.pad(inputs[0], pairs, mode=mode, **filling)  # type: ignore[call-overload, no-any-return]


def roll(op: Op, inputs: Sequence[Value], probe: Probe, picture: Picture) -> Value:
    """Places moved round along axes."""
    return np.roll(inputs[0], op.integers("shifts"), op.integers("axes"))


def take(op: Op, inputs: Sequence[Value], probe: Probe, picture: Picture) -> Value:
    """Places of an axis by number."""
    return np.asarray(np.take(inputs[0], op.tensors["indices"], axis=op.integer("axis")))


def pixel_shuffle(op: Op, inputs: Sequence[Value], probe: Probe, picture: Picture) -> Value:
    """Channels to pixels: output channel c at (f y + i, f x + j) is input channel ``c f**2 + i f + j`` at (y, x).

    >>> op = Op("pixel_shuffle", "up", ("x",), "y", {"factor": 2})
    >>> pixel_shuffle(op, [np.arange(4, dtype=np.float32).reshape(4, 1, 1)], Probe(), (1, 1)).tolist()
    [[[0.0, 1.0], [2.0, 3.0]]]
    """
    factor = op.integer("factor")
    *batch, channels, height, width = inputs[0].shape
    split = inputs[0].reshape(-1, channels // factor**2, factor, factor, height, width)
    return split.transpose(0, 1, 4, 2, 5, 3).reshape(*batch, channels // factor**2, height * factor, width * factor)


def pixel_unshuffle(op: Op, inputs: Sequence[Value], probe: Probe, picture: Picture) -> Value:
    """Pixels to channels: the inverse of `pixel_shuffle`."""
    factor = op.integer("factor")
    *batch, channels, height, width = inputs[0].shape
    split = inputs[0].reshape(-1, channels, height // factor, factor, width // factor, factor)
    return split.transpose(0, 1, 3, 5, 2, 4).reshape(*batch, channels * factor**2, height // factor, width // factor)


def unfold(op: Op, inputs: Sequence[Value], probe: Probe, picture: Picture) -> Value:
    """Windows of a map as columns, entries ordered by channel, row, column."""
    down, across = op.integers("padding")
    padded = np.pad(inputs[0], ((0, 0), (0, 0), (down, down), (across, across)))
    taps = [pixels for _, _, pixels in kernel_taps(padded, op.integers("kernel"), op.integers("stride"))]
    batch, channels = inputs[0].shape[:2]
    return np.stack(taps, axis=2).reshape(batch, channels * len(taps), -1)
