"""Quantized products in ONNX: codes by equation (2), exact integer sums, and the terms of equations (4) and (5).

Two ways to say "multiply these integers" exist, and each runtime runs one of them in integers (measured, see
``docs/export.md``): nodes on integers (`Target.ONNX`: ``MatMulInteger``, ``ConvInteger``), and float nodes between
``DequantizeLinear`` nodes of scale 1, which OpenVINO turns into 8-bit kernels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np

from intaglio._shapes import Num, UInt8
from intaglio.export.graph import FLOAT, INT64, UINT8, Graph
from intaglio.export.shaping import padded, side
from intaglio.packed.program import Op
from intaglio.runtime.reference.affine import linear_constants, zero_code
from intaglio.spec import MAX_BITS, Grid


class Target(StrEnum):
    """Which runtime the products are written for."""

    ONNX = "onnx"
    OPENVINO = "openvino"


class Profile(StrEnum):
    """How weight codes are stored: a byte each, or two codes of up to 4 bits in a byte."""

    FAST = "fast"
    SMALL = "small"


MOST = 1 << 31
"""Sums of products of codes stay below it in 32 bits."""
LARGE = 1 << 23
"""No map that a runtime can hold has more pixels."""
SIGNED = 128
"""What is taken from codes that 8 signed bits cannot hold, where a runtime wants its second operand signed."""


@dataclass(frozen=True)
class Products:
    """Writes the quantized products of a program for one target."""

    target: Target
    profile: Profile = Profile.FAST
    growing: Mapping[str, int] = field(default_factory=dict)
    """Products of two values whose sums have more terms in larger pictures, by name, with the rank of their value."""

    def linear(self, graph: Graph, op: Op, x: str) -> str:
        """``x w^T + bias`` by equation (5); the sums of codes come from a column of ones beside the weights."""
        codes_w = op.tensors["weight.codes"]
        outputs, terms = codes_w.shape
        grid = op.sites["input"].grid
        columns = self._weights(codes_w[None], op.sites["weight"].bits)[0].T
        sums = self._product(graph, "MatMul", self.codes(graph, x, grid), columns)
        return self._affine(graph, op, sums, terms, outputs, axis=-1)

    def conv2d(self, graph: Graph, op: Op, x: str) -> str:
        """A convolution by equation (5): padded first, then quantized; a kernel of ones gives the sums of codes."""
        codes_w = op.tensors["weight.codes"]
        outputs, inputs, *kernel = codes_w.shape
        groups, grid = op.integer("groups"), op.sites["input"].grid
        ready = padded(graph, op, x)
        kernels = self._weights(codes_w.reshape(groups, -1, inputs, *kernel), op.sites["weight"].bits)
        kernels = kernels.reshape(-1, inputs, *kernel)
        attributes = {
            "strides": op.integers("stride"),
            "dilations": op.integers("dilation"),
            "group": groups,
            "kernel_shape": kernel,
        }
        sums = self._product(graph, "Conv", self.codes(graph, ready, grid), kernels, **attributes)
        return self._affine(graph, op, sums, inputs * kernel[0] * kernel[1], outputs, axis=1, groups=groups)

    def matmul(self, graph: Graph, op: Op, a: str, b: str) -> str:
        """A product of two values by equation (4), both sums of codes taken at run time."""
        grid_a, grid_b = op.sites["a"].grid, op.sites["b"].grid
        codes_a, codes_b = self.codes(graph, a, grid_a), self.codes(graph, b, grid_b)
        shift = self._shift(grid_b.bits)
        zero = zero_code([grid_b])
        lower_b = grid_b.lower + zero * grid_b.step
        if shift and self.target is Target.OPENVINO:
            codes_b = graph.node("Sub", [codes_b, graph.number(shift)])
        most = MOST // (grid_a.top * grid_b.top)
        if op.name in self.growing and most < LARGE:
            sums = self._in_parts(graph, op, (a, b), self.growing[op.name], most)
        else:
            sums = graph.node("Cast", [self._sums(graph, codes_a, codes_b)], to=FLOAT)
        sum_a = graph.node("ReduceSum", [codes_a, graph.whole(-1)], keepdims=1)
        sum_b = graph.node("ReduceSum", [codes_b, graph.whole(-2)], keepdims=1)
        terms = graph.node("Cast", [graph.node("Shape", [a], start=-1)], to=FLOAT)
        if zero != shift:
            sums = graph.node("Sub", [sums, graph.node("Mul", [sum_a, graph.number(zero - shift)])])
            sum_b = graph.node("Sub", [sum_b, graph.node("Mul", [terms, graph.number(zero - shift)])])
        value = graph.node("Mul", [sums, graph.number(grid_a.step * grid_b.step)])
        for one, factor in (
            (sum_a, grid_a.step * lower_b),
            (sum_b, grid_b.step * grid_a.lower),
            (terms, grid_a.lower * lower_b),
        ):
            if factor:
                value = graph.node("Add", [value, graph.node("Mul", [one, graph.number(factor)])])
        return value

    def _sums(self, graph: Graph, codes_a: str, codes_b: str) -> str:
        """Sums of products of codes: 32-bit integers, or floats for OpenVINO."""
        if self.target is Target.OPENVINO:
            left, right = _dequantized(graph, codes_a, np.uint8(0)), _dequantized(graph, codes_b, np.int8(0))
            return graph.node("MatMul", [left, right])
        return graph.node("MatMulInteger", [graph.node("Cast", [codes], to=UINT8) for codes in (codes_a, codes_b)])

    def _in_parts(self, graph: Graph, op: Op, operands: tuple[str, str], rank: int, most: int) -> str:
        """Sums of more than `most` products, which 32 bits need not hold: in equal parts, with codes of zero after the
        last, that are added up in 64 bits (in floats for OpenVINO, whose products leave their kernels as such)."""
        terms = side(graph, operands[0], rank - 1)
        parts = _quotient(graph, terms, graph.whole(most))
        width = _quotient(graph, terms, parts)
        missing = graph.node("Sub", [graph.node("Mul", [parts, width]), terms])
        pads = graph.node("Concat", [graph.whole(0), missing], axis=0)
        codes = []
        for role, x, axis in (("a", operands[0], rank - 1), ("b", operands[1], rank - 2)):
            grid = op.sites[role].grid
            filled = graph.node("Pad", [x, pads, graph.number(grid.lower), graph.whole(axis)])  # whose code is 0
            ends = ((0, axis), (axis + 1, rank))
            before, after = (graph.node("Shape", [x], start=start, end=end) for start, end in ends)
            split = graph.node("Reshape", [filled, graph.node("Concat", [before, parts, width, after], axis=0)])
            if role == "a":
                split = graph.node("Transpose", [split], perm=[*range(rank - 2), rank - 1, rank - 2, rank])
            codes.append(self.codes(graph, split, grid))
        shift = self._shift(op.sites["b"].bits)
        if shift and self.target is Target.OPENVINO:
            codes[1] = graph.node("Sub", [codes[1], graph.number(shift)])
        wide = FLOAT if self.target is Target.OPENVINO else INT64
        sums = graph.node("Cast", [self._sums(graph, *codes)], to=wide)
        return graph.node("Cast", [graph.node("ReduceSum", [sums, graph.whole(rank - 2)], keepdims=0)], to=FLOAT)

    def codes(self, graph: Graph, x: str, grid: Grid) -> str:
        """Codes of real values as floats, equations (2) and (2b)."""
        position = x
        if grid.lower:
            position = graph.node("Sub", [position, graph.number(grid.lower)])
        position = graph.node("Mul", [position, graph.number(_inverse(grid.step))])
        if not grid.pieces:
            return _steps(graph, position, grid.top)
        total, first = "", 0
        for stride, steps in grid.pieces:
            beyond = graph.node("Sub", [position, graph.number(first)]) if first else position
            counted = _steps(graph, graph.node("Mul", [beyond, graph.number(_inverse(stride))]), steps)
            counted = graph.node("Mul", [counted, graph.number(stride)])
            total = graph.node("Add", [total, counted]) if total else counted
            first += stride * steps
        return total

    def _shift(self, bits: int) -> int:
        return SIGNED if self.target is Target.OPENVINO and bits == MAX_BITS else 0

    def _weights(self, codes: UInt8[np.ndarray, "groups outputs *terms"], bits: int) -> Num[np.ndarray, ...]:
        """Codes as the target multiplies them, each group with one more output, of ones, for the sum of its inputs."""
        ones = np.ones_like(codes[:, :1])
        if self.target is Target.ONNX:
            return np.concatenate([codes, ones], axis=1)
        shifted = codes.astype(np.int16) - self._shift(bits)
        return np.concatenate([shifted, ones], axis=1).astype(np.int8)

    def _product(self, graph: Graph, kind: str, codes: str, weights: Num[np.ndarray, ...], **attributes: Any) -> str:
        """Sums of products of codes with stored weights, as floats (exact below 2**24)."""
        name, stored = f"{graph.scope}.weight", np.ascontiguousarray(weights)
        if self.target is Target.OPENVINO:
            scale, zero = graph.number(1.0), graph.constant(np.asarray(0, np.int8), "zero")
            scaled = graph.node("DequantizeLinear", [graph.constant(stored, name), scale, zero])
            return graph.node(kind, [_dequantized(graph, codes, np.uint8(0)), scaled], **attributes)
        if self.profile is Profile.SMALL and stored.max(initial=0) < 16:
            held = graph.node("Cast", [graph.narrow_constant(stored, name)], to=UINT8)
        else:
            held = graph.constant(stored, name)
        integers = graph.node("Cast", [codes], to=UINT8)
        return graph.node("Cast", [graph.node(f"{kind}Integer", [integers, held], **attributes)], to=FLOAT)

    def _affine(self, graph: Graph, op: Op, sums: str, terms: int, outputs: int, axis: int, groups: int = 1) -> str:
        """Equation (5) from sums of which every group ends with its sum of codes."""
        codes_w, grids = op.tensors["weight.codes"], op.sites["weight"].grids
        sums_w = codes_w.reshape(outputs, -1).sum(axis=1, dtype=np.int64)
        bias = op.tensors.get("bias", np.zeros(outputs, np.float32))
        zero, grid = zero_code(grids), op.sites["input"].grid
        of_product, of_sum, constant = linear_constants(sums_w, terms, grid, grids, bias, zero)
        integers, codes = _split(graph, sums, outputs, groups, axis)
        if apart := self._shift(op.sites["weight"].bits) - zero:
            integers = graph.node("Add", [integers, graph.node("Mul", [codes, graph.number(apart)])])
        form = (-1,) if axis == -1 else (1, -1, 1, 1)
        value = graph.node("Mul", [integers, graph.constant(of_product.reshape(form), f"{graph.scope}.scale")])
        if of_sum.any():
            offset = graph.constant(of_sum.reshape(form), f"{graph.scope}.offset")
            value = graph.node("Add", [value, graph.node("Mul", [codes, offset])])
        return graph.node("Add", [value, graph.constant(constant.reshape(form), f"{graph.scope}.constant")])


def _quotient(graph: Graph, a: str, b: str) -> str:
    """a / b rounded up, positive integers."""
    return graph.node("Div", [graph.node("Sub", [graph.node("Add", [a, b]), graph.whole(1)]), b])


def _inverse(step: float | int) -> float:
    return float(np.float32(1.0) / np.float32(step))


def _steps(graph: Graph, position: str, most: int) -> str:
    return graph.node("Clip", [graph.node("Round", [position]), graph.number(0.0), graph.number(most)])


def _dequantized(graph: Graph, codes: str, zero: np.uint8 | np.int8) -> str:
    """Codes between quantization and dequantization of scale 1: the sign for a runtime that they are integers."""
    scale, point = graph.number(1.0), graph.constant(np.asarray(zero), "zero")
    return graph.node("DequantizeLinear", [graph.node("QuantizeLinear", [codes, scale, point]), scale, point])


def _split(graph: Graph, sums: str, outputs: int, groups: int, axis: int) -> tuple[str, str]:
    """Sums apart from the sums of codes that end every group; the latter repeated for the outputs of a group."""
    if groups == 1:
        where = graph.whole(axis)
        start, middle, end = graph.whole(0), graph.whole(outputs), graph.whole(outputs + 1)
        return graph.node("Slice", [sums, start, middle, where]), graph.node("Slice", [sums, middle, end, where])
    width = outputs // groups
    of_outputs = np.concatenate([np.arange(width) + group * (width + 1) for group in range(groups)])
    of_sums = np.repeat(np.arange(groups) * (width + 1) + width, width)
    chosen = [graph.constant(index.astype(np.int64), "indices") for index in (of_outputs, of_sums)]
    return (graph.node("Gather", [sums, chosen[0]], axis=axis), graph.node("Gather", [sums, chosen[1]], axis=axis))
