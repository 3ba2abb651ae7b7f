"""A product of two values, (..., m, k) and (..., k, n) to (..., m, n); axes before the last two broadcast.

Where there are sites, equation (4), both sums of codes taken at run time; else ``sum over k of a[m, k] * b[k, n]``.
"""

from __future__ import annotations

from math import prod

from intaglio.packed.definition import Definition, Picture, need
from intaglio.packed.field import Shape, Shapes
from intaglio.packed.ops.shared import broadcast_shapes
from intaglio.packed.program import Op

INT32_TERMS = 1 << 31
"""Below this, sums of products of codes fit into 32 bits: those of convolutions and linear layers must."""
EXACT_TERMS = 1 << 53
"""Below this must be the sums of products of codes here, where their number may grow with the picture."""


def _shape(op: Op, shapes: Shapes, picture: Picture) -> Shape:
    a, b = shapes
    fits = len(a) >= 2 and len(b) >= 2 and a[-1] == b[-2]
    need(fits, op, shapes, "matrices (..., m, k) and (..., k, n)")
    if op.sites:
        largest = a[-1] * op.sites["a"].grid.top * op.sites["b"].grid.top
        need(largest < EXACT_TERMS, op, shapes, "sums of products of codes below 2**53")
    return *broadcast_shapes(op, shapes, (a[:-2], b[:-2])), a[-2], b[-1]


def _cost(op: Op, shapes: Shapes, out: Shape) -> int:
    return prod(out) * shapes[0][-1]


DEFINITION = Definition("matmul", _shape, arity=(2, 2), sites=("a", "b"), cost=_cost)
