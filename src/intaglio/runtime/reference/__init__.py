"""The numpy reference: every operation of a packed program, slow and obvious: ``docs/numerics.md`` in code."""

from intaglio.runtime.reference.affine import (
    Product,
    dequantize,
    integer_linear,
    integer_matmul,
    integer_product,
    quantize,
)
from intaglio.runtime.reference.machine import KERNELS, Reference
from intaglio.runtime.reference.probe import IntegerTap, Probe, Tap

__all__ = [
    "KERNELS",
    "IntegerTap",
    "Probe",
    "Product",
    "Reference",
    "Tap",
    "dequantize",
    "integer_linear",
    "integer_matmul",
    "integer_product",
    "quantize",
]
