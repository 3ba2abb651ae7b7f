"""Softmax along ``axis``: ``exp(x - max x) / sum of exp(x - max x)``."""

from intaglio.packed.definition import AXIS, Definition
from intaglio.packed.ops.shared import along_axis, axis_shape

DEFINITION = Definition("softmax", axis_shape, attrs={"axis": AXIS}, field=along_axis)
