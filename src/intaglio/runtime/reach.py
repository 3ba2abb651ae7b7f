"""How far an output pixel looks: the halo that tiles of a picture must share to be joined without seams.

Cutting and joining is `intaglio.images.tiles`; deciding when is `engine.py`.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil

from intaglio.packed.program import Op, Program

_LOCAL = frozenset(
    {"picture", "output", "layer_norm", "add", "mul", "activation", "concat", "pixel_shuffle", "nearest"}
)


def reach(program: Program) -> int | None:
    """Pixels of the picture, to each side, that an output pixel depends on; None where that has no useful bound.

    Attention in shifted windows, pooling over the whole map and changes of size by interpolation have none.

    >>> from intaglio.packed.examples import random_program
    >>> import numpy as np
    >>> reach(random_program(np.random.default_rng(0), kind="swin")) is None
    True
    """
    seen: dict[str, tuple[Fraction, Fraction]] = {}  # value -> (reach, size of one of its pixels), in picture pixels
    for op in program.ops:
        known = [seen[name] for name in op.inputs]
        if any(size != known[0][1] for _, size in known):
            return None
        step = _step(op, known[0][1] if known else Fraction(1))
        if step is None:
            return None
        own, size = step
        seen[op.output] = max((far for far, _ in known), default=Fraction(0)) + own, size
    return ceil(seen[program.ops[-1].output][0])


def _step(op: Op, size: Fraction) -> tuple[Fraction, Fraction] | None:
    """What one operation adds, and the size of its pixels; None if it looks at everything."""
    if op.kind == "conv2d" and op.integer("stride") == 1 and 2 * op.integer("pad") + 1 == op.integer("kernel"):
        return op.integer("pad") * size, size
    if op.kind not in _LOCAL:
        return None
    finer = op.integer("factor") if op.kind in ("pixel_shuffle", "nearest") else 1
    # a finer pixel lies within one of its parent's pixels, so that its centre is off by less than that
    return (size if finer > 1 else Fraction(0)), size / finer
