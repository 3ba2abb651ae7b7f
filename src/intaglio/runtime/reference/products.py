"""Products of matrices: linear layers and products of two values, float and quantized."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from intaglio._shapes import Float32
from intaglio.packed.definition import Picture
from intaglio.packed.program import Op
from intaglio.runtime.reference.affine import integer_linear, integer_matmul, quantize
from intaglio.runtime.reference.probe import Probe

Value = Float32[np.ndarray, "..."]


def linear(op: Op, inputs: Sequence[Value], probe: Probe, picture: Picture) -> Value:
    """``x w^T + bias`` over the last axis; equation (5) of the codes where the operation has sites."""
    (x,) = inputs
    if not op.sites:
        product: Value = np.matmul(x, op.tensors["weight"].T)
        return product + op.tensors["bias"] if "bias" in op.tensors else product
    codes_w, site = op.tensors["weight.codes"], op.sites["input"]
    codes_x = quantize(x, site.grid)
    probe.codes(site.name, codes_x)
    bias = op.tensors.get("bias", np.zeros(len(codes_w), np.float32))
    rows = codes_x.reshape(-1, x.shape[-1])
    value, integers = integer_linear(rows, codes_w, site.grid, op.sites["weight"].grids, bias)
    shape = (*x.shape[:-1], len(codes_w))
    probe.integers(op.name, integers.reshape(shape))
    return value.reshape(shape)


def matmul(op: Op, inputs: Sequence[Value], probe: Probe, picture: Picture) -> Value:
    """``a b`` over the last two axes; equation (4) of the codes where the operation has sites."""
    a, b = inputs
    if not op.sites:
        return np.asarray(np.matmul(a, b))
    sites = op.sites["a"], op.sites["b"]
    codes_a, codes_b = (quantize(x, site.grid) for x, site in zip(inputs, sites, strict=True))
    for site, codes in zip(sites, (codes_a, codes_b), strict=True):
        probe.codes(site.name, codes)
    value, integers = integer_matmul(codes_a, codes_b, sites[0].grid, sites[1].grid)
    probe.integers(op.name, integers)
    return value
