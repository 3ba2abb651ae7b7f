"""How far an output pixel looks: the halo that tiles of a picture must share to be joined without seams.

The rule of each operation stands in its definition; cutting and joining is `intaglio.images.tiles`; deciding when is
`engine.py`.
"""

from __future__ import annotations

from math import ceil

from intaglio.packed.program import Program
from intaglio.packed.shapes import field_of_view

_SIDES = (61, 97)
"""A picture, in multiples of the padding, whose axes of height and width cannot be taken for others."""


def receptive_field(program: Program) -> int | None:
    """Pixels of the picture, to each side, that an output pixel depends on; None where that has no useful bound.

    Attention in windows, pooling over the whole map and changes of size by interpolation have none.

    >>> from intaglio.packed.examples import random_program
    >>> import numpy as np
    >>> receptive_field(random_program(np.random.default_rng(0), kind="swin")) is None
    True
    """
    multiple = program.ops[0].integer("multiple")
    field = field_of_view(program, *(side * multiple for side in _SIDES))
    return None if field is None else ceil(field.reach)
