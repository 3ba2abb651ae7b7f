"""Runs a `Program`, one operation after another, with the table of what each operation does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from intaglio._shapes import Float32, Shaped, UInt8
from intaglio.errors import EngineError
from intaglio.packed.definition import Picture
from intaglio.packed.errors import ScaleError, ShapeError
from intaglio.packed.program import Op, Program
from intaglio.packed.shapes import infer_shapes, padded_sides
from intaglio.packed.validate import validate
from intaglio.runtime.reference import numbers, products, resample, shaping, windows
from intaglio.runtime.reference.activations import activation
from intaglio.runtime.reference.conv import conv2d
from intaglio.runtime.reference.ends import Planes, enter, from_levels, leave, to_levels
from intaglio.runtime.reference.probe import IntegerTap, Probe, Tap

Value = Float32[np.ndarray, "..."]
Kernel = Callable[[Op, Sequence[Value], Probe, Picture], Value]

KERNELS: Mapping[str, Kernel] = MappingProxyType(
    {
        "conv2d": conv2d,
        "linear": products.linear,
        "matmul": products.matmul,
        "softmax": numbers.softmax,
        "layer_norm": numbers.layer_norm,
        "normalize": numbers.normalize,
        "activation": activation,
        "affine": numbers.affine,
        **dict.fromkeys(numbers.BINARY, numbers.binary),
        "reduce": numbers.reduce,
        "reshape": shaping.reshape,
        "permute": shaping.permute,
        "expand": shaping.expand,
        "slice": shaping.slice_,
        "concat": shaping.concat,
        "pad": shaping.pad,
        "roll": shaping.roll,
        "take": shaping.take,
        "pool2d": resample.pool2d,
        "resize": resample.resize,
        "pixel_shuffle": shaping.pixel_shuffle,
        "pixel_unshuffle": shaping.pixel_unshuffle,
        "constant": windows.constant,
        "position_bias": windows.position_bias,
        "shift_mask": windows.shift_mask,
        "unfold": shaping.unfold,
    }
)
"""Every operation between ``input`` and ``output``: from the operation, its inputs, who looks on, and the padded
picture's height and width (for what has sizes) to its value."""


class Reference:
    """The program run in numpy: the specification that the simulator and the native engine are held against.

    Guarantee: every operation is computed as ``docs/numerics.md`` and its definition write it; integer products are
    exact. `tap` receives the codes of every activation site and `tap_integer` the integers of every product (shapes:
    `probe.Tap`, `probe.IntegerTap`), once a picture each.
    Raises: PackedError (a subclass) if the program is not valid.
    """

    def __init__(self, program: Program, *, tap: Tap | None = None, tap_integer: IntegerTap | None = None) -> None:
        validate(program)
        self._program = program
        self._probe = Probe(tap, tap_integer)
        self._channels = program.ops[0].integer("channels")
        self._last_read = {name: index for index, op in enumerate(program.ops) for name in op.inputs}

    @property
    def scale(self) -> int:
        """The upscaling factor."""
        return self._program.scale

    def __call__(self, image: Shaped[np.ndarray, ...]) -> UInt8[np.ndarray, "ho wo c"]:
        """The picture, `scale` times as high and wide.

        Shapes: uint8 (h, w, c) to (h * scale, w * scale, c), c as the network has it. Units: grey levels 0-255.
        Raises: EngineError for another type or shape, or a picture too small for the network (remedy in the message).
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != self._channels or 0 in image.shape:
            raise EngineError(
                f"found {image.dtype} {image.shape}, expected uint8 (height, width, {self._channels}), no side empty; "
                "convert the picture."
            )
        return to_levels(self.planes(from_levels(image)))

    def planes(self, planes: Planes) -> Planes:
        """The planes of a picture, `scale` times as high and wide, not clipped.

        Shapes: float32 (c, h, w) to (c, h * scale, w * scale). Units: [0, 1] of the levels.
        Raises: EngineError for another number of planes, or a picture too small for the network.
        """
        if planes.ndim != 3 or planes.shape[0] != self._channels or 0 in planes.shape:
            raise EngineError(f"found shape {planes.shape}, expected ({self._channels}, height, width); convert it.")
        height, width = planes.shape[1:]
        try:
            infer_shapes(self._program, height, width)
        except (ShapeError, ScaleError) as error:
            raise EngineError(
                f"a picture of {height} x {width} is too small for this network; enlarge it. ({error})"
            ) from error
        last = self._program.ops[-1]
        # an overflow is not an error: infinities and NaN have codes and grey levels by definition
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            x = self._run(planes, padded_sides(self._program, height, width))
            return leave(x, last, height * self.scale, width * self.scale)

    def _run(self, planes: Planes, picture: Picture) -> Value:
        """What the last operation reads."""
        first, *middle, last = self._program.ops
        values = {first.output: enter(planes, first, picture)}
        for index, op in enumerate(middle, start=1):
            values[op.output] = KERNELS[op.kind](op, [values[name] for name in op.inputs], self._probe, picture)
            for name in {*op.inputs, op.output}:
                if self._last_read.get(name, 0) <= index:
                    del values[name]
        return values[last.inputs[0]]
