"""The shape of every value of a program for a picture of a given size. No arithmetic on pixels here."""

from __future__ import annotations

from math import prod

from intaglio.packed.definition import MAX_RANK
from intaglio.packed.errors import ScaleError, ShapeError
from intaglio.packed.field import Field, Shape
from intaglio.packed.ops import OPS
from intaglio.packed.program import Program

MAX_PER_PIXEL = 1 << 16
MAX_BESIDE = 1 << 26
"""A value has at most `MAX_PER_PIXEL` numbers for each pixel of the padded picture, and `MAX_BESIDE` more."""
MAX_SIDE = 1 << 20
"""The longest side of a padded picture."""


def padded_sides(program: Program, height: int, width: int) -> tuple[int, int]:
    """Height and width of the padded picture.

    Raises: ShapeError if a side is empty or longer than 2**20 pixels (remedy: tile the picture).
    """
    multiple = program.ops[0].integer("multiple")
    down, across = (-(-side // multiple) * multiple for side in (height, width))
    if not (0 < down <= MAX_SIDE and 0 < across <= MAX_SIDE):
        raise ShapeError(f"a picture of {height} x {width} pixels: sides are 1 to {MAX_SIDE}; cut it into tiles.")
    return down, across


def infer_shapes(program: Program, height: int, width: int) -> dict[str, Shape]:
    """The shape of every value of `program` for a picture of `height` by `width` pixels.

    Guarantee: where it returns, every operation can run. Data flow and attributes must have been checked.
    Raises: ShapeError if two shapes do not fit, a map is too small for a kernel, or a value would be absurdly large;
    ScaleError if the last map is not `scale` times the padded picture.
    """
    picture = padded_sides(program, height, width)
    most = MAX_PER_PIXEL * prod(picture) + MAX_BESIDE
    shapes: dict[str, Shape] = {}
    for op in program.ops:
        shape = OPS[op.kind].shape(op, [shapes[name] for name in op.inputs], picture)
        if len(shape) > MAX_RANK or prod(shape) > most or not all(shape):
            raise ShapeError(
                f"{op.kind} {op.name!r} would write shape {shape} for {height} x {width} pixels; values have "
                f"at most {MAX_RANK} axes, none empty, and {MAX_PER_PIXEL} numbers a pixel. Lower the network again."
            )
        shapes[op.output] = shape
    sides = shapes[program.ops[-1].output][2:]
    if sides != tuple(side * program.scale for side in picture):
        raise ScaleError(
            f"a padded picture of {list(picture)} becomes {list(sides)}, which is not {program.scale} times as large; "
            "lower the network again with the scale that it was trained for."
        )
    return shapes


def multiply_adds(program: Program, height: int, width: int) -> dict[str, int]:
    """Multiply-adds of each operation that has some, by its name, for a picture of `height` by `width` pixels.

    Raises: ShapeError, ScaleError, as `infer_shapes`.
    """
    shapes = infer_shapes(program, height, width)
    costs = {
        op.name: OPS[op.kind].cost(op, [shapes[name] for name in op.inputs], shapes[op.output]) for op in program.ops
    }
    return {name: cost for name, cost in costs.items() if cost}


def field_of_view(program: Program, height: int, width: int) -> Field | None:
    """The receptive field of the output, for a picture of a size that the program takes; None where it has no bound.

    Raises: ShapeError, ScaleError, as `infer_shapes`.
    """
    shapes = infer_shapes(program, height, width)
    fields: dict[str, Field] = {}
    for op in program.ops:
        given = [fields[name] for name in op.inputs]
        field = OPS[op.kind].field(op, given, [shapes[name] for name in op.inputs], shapes[op.output])
        if field is None:
            return None
        fields[op.output] = field
    return fields[program.ops[-1].output]
