"""Runs a `Program`, one operation after another, with the table of what each operation does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from intaglio._shapes import Float32, Shaped, UInt8
from intaglio.errors import EngineError
from intaglio.packed.errors import ShapeError
from intaglio.packed.program import Op, Program
from intaglio.packed.shapes import infer_shapes
from intaglio.packed.validate import validate
from intaglio.runtime.reference import maps
from intaglio.runtime.reference.activations import activate
from intaglio.runtime.reference.block import Block
from intaglio.runtime.reference.conv import conv2d
from intaglio.runtime.reference.picture import output, picture
from intaglio.runtime.reference.probe import IntegerTap, Probe, Tap

Map = Float32[np.ndarray, "c h w"]
Kernel = Callable[[Op, Sequence[Map], Probe], Map]


def _layer_norm(op: Op, x: Map) -> Map:
    weight, bias = op.tensors["norm"].astype(np.float32)
    normed = maps.layer_norm(x.transpose(1, 2, 0), weight, bias, op.real("eps"))
    return np.ascontiguousarray(normed.transpose(2, 0, 1))


KERNELS: Mapping[str, Kernel] = MappingProxyType(
    {
        "conv2d": lambda op, x, probe: conv2d(x[0], op, probe),
        "layer_norm": lambda op, x, probe: _layer_norm(op, x[0]),
        "window_block": lambda op, x, probe: Block(op, probe)(x[0]),
        "add": lambda op, x, probe: maps.add(x[0], x[1], op.real("scale")),
        "mul": lambda op, x, probe: x[0] * x[1],
        "activation": lambda op, x, probe: activate(x[0], op),
        "pixel_shuffle": lambda op, x, probe: maps.pixel_shuffle(x[0], op.integer("factor")),
        "nearest": lambda op, x, probe: maps.nearest(x[0], op.integer("factor")),
        "bilinear": lambda op, x, probe: maps.bilinear(x[0], *x[1].shape[1:]),
        "bilinear_scale": lambda op, x, probe: maps.bilinear(
            x[0], *(op.integer("factor") * size for size in x[0].shape[1:])
        ),
        "global_mean": lambda op, x, probe: maps.global_mean(x[0]),
        "max_pool": lambda op, x, probe: maps.max_pool(x[0], op.integer("kernel"), op.integer("stride")),
        "concat": lambda op, x, probe: np.concatenate(x, axis=0),
    }
)
"""Every operation between ``picture`` and ``output``."""


class Reference:
    """The program run in numpy: the specification that the simulator and the native engine are held against.

    Guarantee: every operation is computed as ``docs/numerics.md`` writes it; integer products are exact. `tap` receives
    the codes of every activation site and `tap_integer` the integers of every product (shapes: `probe.Tap`,
    `probe.IntegerTap`), once a picture each.
    Raises: PackedError (a subclass) if the program is not valid.
    """

    def __init__(self, program: Program, *, tap: Tap | None = None, tap_integer: IntegerTap | None = None) -> None:
        validate(program)
        self._program = program
        self._probe = Probe(tap, tap_integer)
        self._last_read = {name: index for index, op in enumerate(program.ops) for name in op.inputs}

    @property
    def scale(self) -> int:
        """The upscaling factor."""
        return self._program.scale

    def __call__(self, image: Shaped[np.ndarray, ...]) -> UInt8[np.ndarray, "ho wo 3"]:
        """The picture, `scale` times as high and wide.

        Shapes: uint8 (h, w, 3) to (h * scale, w * scale, 3). Units: grey levels 0-255.
        Raises: EngineError for another type or shape, or a picture too small for the network (remedy in the message).
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
            raise EngineError(
                f"found {image.dtype} {image.shape}, expected uint8 (height, width, 3), no side empty; convert to RGB."
            )
        height, width = image.shape[:2]
        try:
            infer_shapes(self._program, height, width)
        except ShapeError as error:
            raise EngineError(
                f"a picture of {height} x {width} is too small for this network; enlarge it. ({error})"
            ) from error
        first, *middle, last = self._program.ops
        values = {first.output: picture(image, first)}
        # an overflow is not an error: infinities and NaN have codes and grey levels by definition
        with np.errstate(over="ignore", invalid="ignore"):
            for index, op in enumerate(middle, start=1):
                values[op.output] = KERNELS[op.kind](op, [values[name] for name in op.inputs], self._probe)
                for name in {*op.inputs, op.output}:
                    if self._last_read.get(name, 0) <= index:
                        del values[name]
            return output(values[last.inputs[0]], last, height * self.scale, width * self.scale)
