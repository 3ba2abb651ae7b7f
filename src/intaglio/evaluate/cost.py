"""Compression and speedup by the published convention, and the corrected storage ratio; pure arithmetic.

Bytes of real files and measured times are recorded where they arise; these are the formulas beside them.
"""

from __future__ import annotations

from intaglio.errors import SpecError
from intaglio.spec import check_bits

_FLOAT_BITS = 32


def compression_ratio(parameters: int, quantized: int, bits: int) -> float:
    """Float storage over quantized storage as papers count it: ``P / (P - q + q bits / 32)``.

    P counts the parameters without relative-position-bias tables, q the quantized weights among them; the tables,
    bounds, and any packing overhead are left out, so never report this alone.

    Raises: SpecError unless 0 <= quantized <= parameters (remedy: count the same network twice).
    Source: 2DQuant (arXiv 2406.06649), table of costs; reconstructed, and equal to it for SwinIR-light x4:

    >>> [round(compression_ratio(897_228, 691_200, bits), 2) for bits in (4, 3, 2)]
    [3.07, 3.31, 3.6]
    """
    return storage_ratio(parameters, quantized, bits, bounds=0)


def storage_ratio(parameters: int, quantized: int, bits: int, *, bounds: int) -> float:
    """As `compression_ratio`, with everything that is really stored: bias tables in P, and `bounds` float32 numbers.

    Raises: SpecError as `compression_ratio`. Source: ours. SwinIR-light x4 has 32,400 table entries and 768 bounds:

    >>> [round(storage_ratio(897_228 + 32_400, 691_200, bits, bounds=768), 3) for bits in (4, 3, 2)]
    [2.855, 3.058, 3.292]
    """
    if not 0 <= quantized <= parameters or parameters == 0:
        raise SpecError(f"{quantized} of {parameters} parameters quantized; count both in the same network.")
    return parameters / (parameters - quantized + quantized * check_bits(bits) / _FLOAT_BITS + bounds)


def speedup_ratio(quantized_macs: int | float, other_macs: int | float, bits: int) -> float:
    """Speedup as papers count it: quantized multiply-adds cost ``bits / 32`` of a float one, others cost 1.

    No hardware behaves so (the papers' convolution counts are low as well); report measured latency beside it.

    Units: multiply-adds, in any common multiple. Raises: SpecError unless the counts are positive.
    Source: 2DQuant, as above; SwinIR-light x4 on a 128 x 128 picture, in 10^9: linears 11.325, attention products
    3.020, convolutions as counted there 2.327, other 0.075.

    >>> [round(speedup_ratio(11.325 + 3.020, 2.327 + 0.075, bits), 2) for bits in (4, 3, 2)]
    [3.99, 4.47, 5.08]
    """
    if quantized_macs < 0 or other_macs < 0 or quantized_macs + other_macs == 0:
        raise SpecError(f"{quantized_macs} quantized and {other_macs} other multiply-adds; count at least one.")
    return (quantized_macs + other_macs) / (quantized_macs * check_bits(bits) / _FLOAT_BITS + other_macs)
