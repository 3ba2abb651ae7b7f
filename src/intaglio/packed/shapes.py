"""The shape of every value of a program for a picture of a given size. No arithmetic on pixels here."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from intaglio.packed.errors import ScaleError, ShapeError
from intaglio.packed.program import Op, Program

Size = tuple[int, int, int]
"""Channels, height, width of a planar map."""

MAX_CHANNELS = 4096
MAX_AREA_FACTOR = 256
"""A map may be at most so many times as large as the padded picture (16 x 16, the largest scale)."""


def _refuse(op: Op, found: Sequence[Size], expected: str) -> ShapeError:
    return ShapeError(
        f"{op.kind} {op.name!r} reads maps of shape {list(found)}, expected {expected}; lower the network again."
    )


def _require(condition: bool, op: Op, found: Sequence[Size], expected: str) -> None:
    if not condition:
        raise _refuse(op, found, expected)


def _conv2d(op: Op, maps: Sequence[Size]) -> Size:
    channels, *sides = maps[0]
    kernel, stride, pad = (op.integer(name) for name in ("kernel", "stride", "pad"))
    _require(channels == op.attrs["in"], op, maps, f"{op.attrs['in']} channels")
    _require(min(sides) + 2 * pad >= kernel, op, maps, f"at least {kernel - 2 * pad} pixels a side")
    height, width = ((side + 2 * pad - kernel) // stride + 1 for side in sides)
    return op.integer("out"), height, width


def _window_block(op: Op, maps: Sequence[Size]) -> Size:
    channels, *sides = maps[0]
    window = op.integer("window")
    fits = channels == op.attrs["dim"] and all(side % window == 0 for side in sides)
    _require(fits, op, maps, f"{op.attrs['dim']} channels and sides that are multiples of {window}")
    return maps[0]


def _layer_norm(op: Op, maps: Sequence[Size]) -> Size:
    _require(maps[0][0] == op.attrs["dim"], op, maps, f"{op.attrs['dim']} channels")
    return maps[0]


def _add(op: Op, maps: Sequence[Size]) -> Size:
    _require(maps[0] == maps[1], op, maps, "two equal shapes")
    return maps[0]


def _mul(op: Op, maps: Sequence[Size]) -> Size:
    _require(
        maps[1] in (maps[0], (maps[0][0], 1, 1)), op, maps, "two equal shapes, or one value a channel in the second"
    )
    return maps[0]


def _activation(op: Op, maps: Sequence[Size]) -> Size:
    if "prelu" in op.tensors:
        slopes = op.tensors["prelu"].shape[0]
        _require(maps[0][0] == slopes, op, maps, f"{slopes} channels, one for each slope")
    return maps[0]


def _pixel_shuffle(op: Op, maps: Sequence[Size]) -> Size:
    channels, height, width = maps[0]
    factor = op.integer("factor")
    _require(channels % factor**2 == 0, op, maps, f"channels in multiples of {factor**2}")
    return channels // factor**2, height * factor, width * factor


def _enlarge(op: Op, maps: Sequence[Size]) -> Size:
    channels, height, width = maps[0]
    return channels, height * op.integer("factor"), width * op.integer("factor")


def _max_pool(op: Op, maps: Sequence[Size]) -> Size:
    channels, *sides = maps[0]
    kernel, stride = op.integer("kernel"), op.integer("stride")
    _require(min(sides) >= kernel, op, maps, f"at least {kernel} pixels a side")
    height, width = ((side - kernel) // stride + 1 for side in sides)
    return channels, height, width


def _concat(op: Op, maps: Sequence[Size]) -> Size:
    _require(len({size[1:] for size in maps}) == 1, op, maps, "equal heights and widths")
    return sum(size[0] for size in maps), *maps[0][1:]


RULES: Mapping[str, Callable[[Op, Sequence[Size]], Size]] = MappingProxyType(
    {
        "conv2d": _conv2d,
        "layer_norm": _layer_norm,
        "window_block": _window_block,
        "add": _add,
        "mul": _mul,
        "activation": _activation,
        "pixel_shuffle": _pixel_shuffle,
        "nearest": _enlarge,
        "bilinear": lambda op, maps: (maps[0][0], *maps[1][1:]),
        "bilinear_scale": _enlarge,
        "global_mean": lambda op, maps: (maps[0][0], 1, 1),
        "max_pool": _max_pool,
        "concat": _concat,
    }
)
"""The shape that each operation between ``picture`` and ``output`` writes, from the shapes that it reads."""


def infer_shapes(program: Program, height: int, width: int) -> dict[str, Size]:
    """The shape (channels, height, width) of every value of `program` for a picture of `height` by `width` pixels.

    Guarantee: where it returns, every operation can run. Data flow and attributes must have been checked.
    Raises: ShapeError if two shapes do not fit, a map is too small for a kernel, or a map would be absurdly large;
    ScaleError if the last map is not `scale` times the padded picture.
    """
    first, *middle, last = program.ops
    multiple = first.integer("multiple")
    padded = [math.ceil(side / multiple) * multiple for side in (height, width)]
    sizes: dict[str, Size] = {first.output: (3, padded[0], padded[1])}
    for op in middle:
        size = RULES[op.kind](op, [sizes[name] for name in op.inputs])
        if size[0] > MAX_CHANNELS or size[1] * size[2] > MAX_AREA_FACTOR * padded[0] * padded[1] + MAX_AREA_FACTOR**2:
            raise ShapeError(
                f"{op.kind} {op.name!r} would write a map of shape {size} for {height} x {width} pixels; maps "
                f"have at most {MAX_CHANNELS} channels and {MAX_AREA_FACTOR} times the picture's pixels. Lower again."
            )
        sizes[op.output] = size
    channels, *sides = sizes[last.inputs[0]]
    if channels != 3:
        raise _refuse(last, [sizes[last.inputs[0]]], "3 channels")
    if sides != [side * program.scale for side in padded]:
        raise ScaleError(
            f"a padded picture of {padded} becomes {sides}, which is not {program.scale} times as large; "
            "lower the network again with the scale that it was trained for."
        )
    return sizes
