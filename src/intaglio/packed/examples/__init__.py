"""Small random valid programs, for tests and benchmarks: between them they hold every operation of the registry.

The numbers mean nothing; bounds are chosen so that codes spread over their whole range.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from intaglio.packed.examples.cnn import cnn
from intaglio.packed.examples.maker import Maker
from intaglio.packed.examples.mixed import mixed
from intaglio.packed.examples.swin import swin
from intaglio.packed.program import Program
from intaglio.spec import Coverage, Piece

Kind = Literal["swin", "cnn", "mixed"]


def random_program(
    rng: np.random.Generator,
    *,
    kind: Kind = "swin",
    bits: int = 4,
    act_bits: int | None = None,
    dim: int = 12,
    heads: int = 2,
    window: int = 4,
    blocks: int = 2,
    scale: int = 2,
    coverage: Coverage = Coverage.PAPER,
    per_channel: bool = False,
    pieces: tuple[Piece, ...] = (),
) -> Program:
    """A random valid program.

    ``swin`` has blocks of windowed attention, every other one shifted, in the form that lowering gives them; ``cnn`` is
    made of convolutions, gates and resizing; ``mixed`` is a transformer of another kind (attention over channels,
    overlapping windows, gates) with all other operations. `bits` is the width of the weights, `act_bits` of the
    activations (`bits` if None). With full coverage the convolutions are quantized too. `per_channel` gives each output
    of a weight its own grid. `dim` is the number of channels; `heads` must divide it. `blocks` counts blocks. Pictures
    must have 3 pixels a side or more. With `pieces` the activations use only those of their 8-bit codes.

    >>> [op.kind for op in random_program(np.random.default_rng(0), kind="cnn", blocks=1).ops[:4]]
    ['input', 'conv2d', 'activation', 'conv2d']
    """
    maker = Maker(rng, bits, act_bits or bits, coverage, per_channel, pieces)
    if kind == "swin":
        swin(maker, dim, heads, window, blocks, scale)
    elif kind == "cnn":
        cnn(maker, dim, blocks, scale)
    else:
        mixed(maker, dim, heads, blocks, scale)
    return Program(scale=scale, architecture=f"random-{kind}", coverage=coverage, ops=tuple(maker.ops))
