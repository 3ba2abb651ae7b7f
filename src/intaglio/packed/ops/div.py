"""The quotient of two values, place by place: ``a / b``.

Axes are aligned at the last, and lengths of 1 stretched (numpy's broadcasting).
"""

from intaglio.packed.ops.shared import binary

DEFINITION = binary("div")
