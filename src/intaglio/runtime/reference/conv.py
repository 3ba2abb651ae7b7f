"""Convolutions of maps (N, C, H, W), float and quantized, as sums over the taps of the kernel: a matrix product a tap.

Order of operations: pad, quantize, multiply (``docs/numerics.md``, section 3).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from intaglio._shapes import Float32, Num
from intaglio.packed.definition import Picture
from intaglio.packed.program import Op
from intaglio.runtime.reference.affine import exact_type, linear_constants, quantize, zero_code
from intaglio.runtime.reference.probe import Probe

Map = Float32[np.ndarray, "_ _ _ _"]
Pair = Sequence[int]

_PAD_MODES = {"zeros": "constant", "reflect": "reflect"}


def pad_map(x: Map, op: Op) -> Float32[np.ndarray, "n c hp wp"]:
    """The map with the border that the operation's ``padding`` and ``pad_mode`` ask for."""
    top, left, bottom, right = op.integers("padding")
    return np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), mode=_PAD_MODES[op.text("pad_mode")])  # type: ignore[call-overload, no-any-return]


def kernel_taps(
    x: Num[np.ndarray, "*batch hp wp"], kernel: Pair, stride: Pair, dilation: Pair = (1, 1)
) -> Iterator[tuple[int, int, Num[np.ndarray, "*batch h w"]]]:
    """For each tap (row, column) of the kernel, the pixels that it meets at every output position.

    >>> [pixels.tolist() for _, _, pixels in kernel_taps(np.arange(4).reshape(2, 2), (1, 2), (1, 1))]
    [[[0], [2]], [[1], [3]]]
    """
    height, width = (
        (side - step * (taps - 1) - 1) // move + 1
        for side, taps, move, step in zip(x.shape[-2:], kernel, stride, dilation, strict=True)
    )
    for row in range(kernel[0]):
        for column in range(kernel[1]):
            top, left = row * dilation[0], column * dilation[1]
            rows = slice(top, top + (height - 1) * stride[0] + 1, stride[0])
            columns = slice(left, left + (width - 1) * stride[1] + 1, stride[1])
            yield row, column, x[..., rows, columns]


def correlate(
    x: Num[np.ndarray, "n c hp wp"],
    weight: Num[np.ndarray, "o i kh kw"],
    stride: Pair = (1, 1),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Num[np.ndarray, "n o h w"]:
    """Cross-correlation of a padded map with a bank of kernels, in the type of its arguments.

    >>> x, weight = np.ones((1, 1, 3, 3), dtype=np.float32), np.ones((1, 1, 3, 3), dtype=np.float32)
    >>> correlate(x, weight).tolist()
    [[[[9.0]]]]
    """
    outputs, inputs, *kernel = weight.shape
    banks = weight.reshape(groups, outputs // groups, inputs, *kernel)
    total, sides = None, (0, 0)
    for row, column, pixels in kernel_taps(x, kernel, stride, dilation):
        sides = pixels.shape[2:]
        product = banks[..., row, column] @ pixels.reshape(len(x), groups, inputs, -1)
        total = product if total is None else total + product
    assert total is not None
    return np.asarray(total).reshape(len(x), outputs, *sides)


def conv2d(op: Op, inputs: Sequence[Map], probe: Probe, picture: Picture) -> Map:
    """Padding, cross-correlation, bias; quantized where the operation has codes."""
    padded = pad_map(inputs[0], op)
    return (_quantized if op.sites else _float)(padded, op, probe)


def _float(padded: Map, op: Op, probe: Probe) -> Map:
    form = op.integers("stride"), op.integers("dilation"), op.integer("groups")
    total: Map = correlate(padded, op.tensors["weight"], *form)
    return np.asarray(total + op.tensors["bias"][:, None, None]) if "bias" in op.tensors else total


def _quantized(padded: Map, op: Op, probe: Probe) -> Map:
    codes_w = op.tensors["weight.codes"]
    form = op.integers("stride"), op.integers("dilation")
    groups, outputs = op.integer("groups"), len(codes_w)
    terms = int(np.prod(codes_w.shape[1:]))
    site, grids_w = op.sites["input"], op.sites["weight"].grids
    codes_x = quantize(padded, site.grid)
    probe.codes(site.name, codes_x)
    real = exact_type(terms, site.grid.top, grids_w[0].top)
    integers = correlate(codes_x.astype(real), codes_w.astype(real), *form, groups).astype(np.int32)
    probe.integers(op.name, integers)
    # the sum of the codes under the kernel: one plane a group, since a sum over channels commutes with that over taps
    planes = codes_x.reshape(len(codes_x), groups, -1, *codes_x.shape[2:]).sum(axis=2, dtype=np.int64)
    sums_x = sum(pixels for _, _, pixels in kernel_taps(planes, codes_w.shape[2:], *form))
    sums_x = np.repeat(np.asarray(sums_x), outputs // groups, axis=1)
    sums_w = codes_w.reshape(outputs, -1).sum(axis=1, dtype=np.int64)
    bias = op.tensors.get("bias", np.zeros(outputs, np.float32))
    zero = zero_code(grids_w)
    of_product, of_sum, constant = (
        c[:, None, None] for c in linear_constants(sums_w, terms, site.grid, grids_w, bias, zero)
    )
    small = (integers - zero * sums_x).astype(np.float32)
    value: Map = of_product * small + of_sum * sums_x.astype(np.float32) + constant
    return value
