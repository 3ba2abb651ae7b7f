"""Frozen values that every subpackage shares: bit widths, bounds, the affine grid, coverage, site names.

Only the standard library is imported here. Tensors, files and networks live elsewhere.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate
from typing import NamedTuple

from intaglio.errors import BoundsError, SpecError

MIN_BITS = 2
MAX_BITS = 8
MAX_PIECES = 4

SiteName = str
"""``<module path>:<role>``, for example ``layers.0.residual_group.blocks.0.mlp.fc1:weight``.

Roles are ``weight`` and ``input`` for linears and convolutions (``<path>.q:weight`` for one part of a fused
projection), ``a`` and ``b`` for the two operands of an attention product.
"""


class Coverage(StrEnum):
    """Which operations are quantized. Every reported number names one of these."""

    PAPER = "paper"
    """Linears and attention products that carry work; convolutions stay float (2DQuant, section 3)."""
    FULL = "full"
    """Convolutions too; the first and the last of the network at 8 bits."""


class Weights(StrEnum):
    """Which weights are taken from a file that holds two sets."""

    EMA = "ema"
    """Averaged over training: what authors measure with."""
    PLAIN = "plain"
    """Those of the last step."""


class Granularity(StrEnum):
    """How many (lower, upper) pairs a tensor has."""

    PER_TENSOR = "per-tensor"
    PER_CHANNEL = "per-channel"
    """One pair per output channel (axis 0 of a weight); for weights only."""


class Shape(StrEnum):
    """What the architecture knows of a site's distribution; DOBI picks its search strategy by it."""

    BELL = "bell"
    """Two tails: both bounds are searched."""
    ONE_SIDED = "one-sided"
    """Bounded below near zero (softmax and GELU outputs): only the upper bound is searched."""


def check_bits(bits: int) -> int:
    """Return `bits` if a code of that width is supported, 2 to 8.

    Raises: SpecError otherwise (remedy: choose 2 to 8).

    >>> check_bits(4)
    4
    """
    if not isinstance(bits, int) or isinstance(bits, bool) or not MIN_BITS <= bits <= MAX_BITS:
        raise SpecError(
            f"{bits!r} bits asked for, but codes are {MIN_BITS} to {MAX_BITS} bits wide; choose one of those."
        )
    return bits


def float32(value: float) -> float:
    """Round a Python float to the nearest single-precision number.

    >>> float32(0.1) == 0.1
    False
    """
    return float(struct.unpack("<f", struct.pack("<f", value))[0])


@dataclass(frozen=True)
class Bounds:
    """Clipping bounds of one tensor (or channel), in the units of that tensor.

    Raises: BoundsError unless both are finite and ``lower < upper`` (remedy: widen the range or skip a constant
    tensor).
    """

    lower: float
    upper: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.lower) and math.isfinite(self.upper)):
            raise BoundsError(
                f"bounds ({self.lower}, {self.upper}) are not finite; look for NaN in the calibration statistics."
            )
        if self.upper <= self.lower:
            raise BoundsError(
                f"bounds ({self.lower}, {self.upper}) span no range; widen them or skip a constant tensor."
            )


class Piece(NamedTuple):
    """A run of evenly spaced codes: `steps` steps of `stride` codes each."""

    stride: int
    steps: int


@dataclass(frozen=True)
class Grid:
    """The affine grid: ``2**bits`` levels ``lower + step * code``, evenly from `lower` to `upper`, ends included.

    ``code(x) = round_half_even((clip(x, lower, upper) - lower) * (1 / step))`` in single precision
    (numerics page, equations 1-3). `lower` and `step` are single-precision numbers. With `pieces`, for activations
    only, not all codes are used: from code 0 on, each piece takes its steps (equation 2b), so that levels lie denser
    in one region than in another while products stay products of integers.

    Units: those of the tensor; `step` in those units per code.
    Raises: SpecError for a bit width outside 2-8 or pieces that leave it; BoundsError unless `lower` is finite and
    `step` finite and positive.
    """

    lower: float
    step: float
    bits: int
    pieces: tuple[Piece, ...] = ()

    def __post_init__(self) -> None:
        check_bits(self.bits)
        if not (math.isfinite(self.lower) and math.isfinite(self.step) and self.step > 0.0):
            raise BoundsError(f"a grid with lower {self.lower} and step {self.step} spans no range; widen its bounds.")
        sound = len(self.pieces) <= MAX_PIECES and all(stride > 0 and steps > 0 for stride, steps in self.pieces)
        if not sound or self.top >= 1 << self.bits:
            raise SpecError(
                f"pieces {[tuple(piece) for piece in self.pieces]} do not fit codes of {self.bits} bits; at most"
                f" {MAX_PIECES}, of positive strides and steps, up to code {(1 << self.bits) - 1}."
            )

    @property
    def runs(self) -> tuple[Piece, ...]:
        """The pieces, or the one that all codes of a grid without pieces make."""
        return self.pieces or (Piece(1, (1 << self.bits) - 1),)

    @property
    def codes(self) -> tuple[int, ...]:
        """The codes in use, ascending: all of them, or those of the pieces.

        >>> Grid(-1.0, 0.1, bits=8, pieces=(Piece(1, 3), Piece(20, 2))).codes
        (0, 1, 2, 3, 23, 43)
        """
        return tuple(accumulate((stride for stride, steps in self.runs for _ in range(steps)), initial=0))

    @property
    def levels(self) -> int:
        """Number of distinct values: ``2**bits``, or those of the pieces."""
        return 1 + sum(steps for _, steps in self.runs)

    @property
    def top(self) -> int:
        """The largest code: ``2**bits - 1``, or the end of the last piece."""
        return sum(stride * steps for stride, steps in self.runs)

    @property
    def upper(self) -> float:
        """The largest level, ``lower + step * top``, rounded once to single precision."""
        return float32(self.lower + self.step * self.top)

    @classmethod
    def from_bounds(cls, bounds: Bounds, bits: int) -> Grid:
        """The grid whose first and last levels are the two bounds (2DQuant, equation 1).

        >>> Grid.from_bounds(Bounds(-1.0, 2.0), bits=2)
        Grid(lower=-1.0, step=1.0, bits=2, pieces=())
        """
        check_bits(bits)
        lower, upper = float32(bounds.lower), float32(bounds.upper)
        return cls(lower, float32((upper - lower) / ((1 << bits) - 1)), bits)


@dataclass(frozen=True)
class QuantSpec:
    """What is asked of the quantizers of one model: widths, coverage, granularity of the weights.

    Activations are always per tensor. `share_input` lets the parts of a fused projection (q, k, v) share one input
    quantizer; the published methods give each its own, which is the default.
    """

    weight_bits: int
    act_bits: int
    coverage: Coverage = Coverage.PAPER
    weight_granularity: Granularity = Granularity.PER_TENSOR
    share_input: bool = False

    def __post_init__(self) -> None:
        check_bits(self.weight_bits)
        check_bits(self.act_bits)

    @property
    def label(self) -> str:
        """The field's short form.

        >>> QuantSpec(weight_bits=4, act_bits=8).label
        'w4a8'
        """
        return f"w{self.weight_bits}a{self.act_bits}"


@dataclass(frozen=True)
class SiteReading:
    """What a float network shows at a site: `counts` of its values in equal bins from `low` to `high`; `clipped`,
    the share outside the bounds; `alone_psnr`, the output with only this site quantized against the float output, in
    dB.
    """

    name: SiteName
    counts: tuple[int, ...]
    low: float
    high: float
    clipped: float
    alone_psnr: float
