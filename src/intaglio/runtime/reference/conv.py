"""Convolutions of maps (C, H, W), float and quantized, as sums over the taps of the kernel: one matrix product a tap.

Order of operations: pad with zeros, quantize, multiply (``docs/numerics.md``, section 3).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from intaglio._shapes import Float32, Num
from intaglio.packed.program import Op
from intaglio.runtime.reference.activations import activate
from intaglio.runtime.reference.affine import exact_type, linear_constants, quantize
from intaglio.runtime.reference.probe import Probe

Map = Float32[np.ndarray, "c h w"]


def pad_zero(x: Map, pad: int) -> Float32[np.ndarray, "c hp wp"]:
    """The map with `pad` pixels of zero on each side."""
    return np.pad(x, ((0, 0), (pad, pad), (pad, pad)))


def out_size(size: int, kernel: int, stride: int) -> int:
    """Number of kernel positions along an axis of `size` padded pixels.

    >>> out_size(7, kernel=3, stride=2)
    3
    """
    return (size - kernel) // stride + 1


def kernel_taps(
    x: Num[np.ndarray, "c hp wp"], kernel: int, stride: int
) -> Iterator[tuple[int, int, Num[np.ndarray, "c h w"]]]:
    """For each tap (row, column) of the kernel, the pixels that it meets at every output position."""
    height, width = (out_size(size, kernel, stride) for size in x.shape[1:])
    for row in range(kernel):
        for column in range(kernel):
            rows = slice(row, row + (height - 1) * stride + 1, stride)
            columns = slice(column, column + (width - 1) * stride + 1, stride)
            yield row, column, x[:, rows, columns]


def correlate(
    x: Num[np.ndarray, "c hp wp"], weight: Num[np.ndarray, "n c k k"], stride: int
) -> Num[np.ndarray, "n h w"]:
    """Cross-correlation of a padded map with a bank of kernels, in the type of its arguments.

    >>> x, weight = np.ones((1, 3, 3), dtype=np.float32), np.ones((1, 1, 3, 3), dtype=np.float32)
    >>> correlate(x, weight, stride=1).tolist()
    [[[9.0]]]
    """
    outputs, channels, kernel, _ = weight.shape
    height, width = (out_size(size, kernel, stride) for size in x.shape[1:])
    total = np.zeros((outputs, height * width), dtype=x.dtype)
    for row, column, pixels in kernel_taps(x, kernel, stride):
        total += weight[:, :, row, column] @ pixels.reshape(channels, -1)
    return total.reshape(outputs, height, width)


def conv2d(x: Map, op: Op, probe: Probe) -> Float32[np.ndarray, "n ho wo"]:
    """Zero padding, cross-correlation, bias and activation; quantized where the operation has codes."""
    padded = pad_zero(x, op.integer("pad"))
    convolve = _quantized if "conv.codes" in op.tensors else _float
    return activate(convolve(padded, op, probe), op)


def _float(padded: Map, op: Op, probe: Probe) -> Float32[np.ndarray, "n ho wo"]:
    weight, bias = (op.tensors[role].astype(np.float32) for role in ("weight", "bias"))
    return correlate(padded, weight, op.integer("stride")) + bias[:, None, None]


def _quantized(padded: Map, op: Op, probe: Probe) -> Float32[np.ndarray, "n ho wo"]:
    stride, codes_w = op.integer("stride"), op.tensors["conv.codes"]
    outputs, *window = codes_w.shape
    terms = int(np.prod(window))
    site, grids_w = op.sites["conv.input"], op.sites["conv.weight"].grids
    codes_x = quantize(padded, site.grid)
    probe.codes(site.name, codes_x)
    real = exact_type(terms, site.grid.top, grids_w[0].top)
    integers = correlate(codes_x.astype(real), codes_w.astype(real), stride).astype(np.int32)
    probe.integers(f"{op.name}/conv", integers)
    # the sum of the codes under the kernel: one plane, since a sum over channels commutes with the sum over taps
    plane = codes_x.sum(axis=0, dtype=np.int64)[None]
    sums_x = sum(pixels for _, _, pixels in kernel_taps(plane, window[-1], stride))
    sums_w = codes_w.reshape(outputs, -1).sum(axis=1, dtype=np.int64)
    bias = op.tensors["bias"].astype(np.float32)
    of_product, of_sum, constant = (c[:, None, None] for c in linear_constants(sums_w, terms, site.grid, grids_w, bias))
    value: Float32[np.ndarray, "n ho wo"] = (
        of_product * integers.astype(np.float32) + of_sum * np.asarray(sums_x, dtype=np.float32) + constant
    )
    return value
