"""Length 1 along ``axis``: ``x / max(sqrt(sum of x**2), eps)``."""

from intaglio.packed.definition import AXIS, Definition, real
from intaglio.packed.ops.shared import along_axis, axis_shape

DEFINITION = Definition("normalize", axis_shape, attrs={"axis": AXIS, "eps": real(0.0, 1.0)}, field=along_axis)
