"""The operations of a program: one file for each, and the registry of them all."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from intaglio.packed.definition import Definition
from intaglio.packed.ops import (
    activation,
    add,
    affine,
    concat,
    constant,
    conv2d,
    div,
    expand,
    input,
    layer_norm,
    linear,
    matmul,
    maximum,
    minimum,
    mul,
    normalize,
    output,
    pad,
    permute,
    pixel_shuffle,
    pixel_unshuffle,
    pool2d,
    position_bias,
    reduce,
    reshape,
    resize,
    roll,
    shift_mask,
    slice,
    softmax,
    sub,
    take,
    unfold,
)

_FILES = (
    input, output, conv2d, linear, matmul, softmax, layer_norm, normalize, activation, affine, add, sub, mul, div,
    maximum, minimum, reduce, reshape, permute, expand, slice, concat, pad, roll, take, pool2d, resize, pixel_shuffle,
    pixel_unshuffle, constant, position_bias, shift_mask, unfold,
)  # fmt: skip

OPS: Mapping[str, Definition] = MappingProxyType({file.DEFINITION.kind: file.DEFINITION for file in _FILES})

MATHEMATICS: Mapping[str, str] = MappingProxyType({file.DEFINITION.kind: file.__doc__ or "" for file in _FILES})
"""What each operation computes, in words and formulas: the head of its file."""
