"""``x * scale + offset`` of each number: the product is rounded, then the sum."""

from intaglio.packed.definition import Definition, real, same_shape
from intaglio.packed.field import pointwise

DEFINITION = Definition("affine", same_shape, attrs={"scale": real(), "offset": real()}, field=pointwise)
