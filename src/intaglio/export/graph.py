"""Collects the nodes of an ONNX graph: names, constants that are stored once, lengths that depend on the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from intaglio.packed.size import Extent, Size, terms_of

OPSET = 21
"""The first opset with 4-bit integers."""
IR_VERSION = 10
"""The version of the file format that came with that opset."""

FLOAT, UINT8, INT8, INT32, INT64 = (
    TensorProto.FLOAT,
    TensorProto.UINT8,
    TensorProto.INT8,
    TensorProto.INT32,
    TensorProto.INT64,
)


@dataclass
class Graph:
    """An ONNX graph in the making. `scope` is the name of the operation whose nodes are written."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, onnx.TensorProto] = field(default_factory=dict)
    scope: str = ""
    _names: dict[str, int] = field(default_factory=dict)
    _known: dict[tuple[Any, ...], str] = field(default_factory=dict)
    _extents: dict[Size, str] = field(default_factory=dict)
    _sides: tuple[str, str] = ("", "")

    def node(self, kind: str, inputs: Sequence[str], *, output: str | None = None, **attributes: Any) -> str:
        """Append a node of one output; returns the output's name."""
        (name,) = self.nodes_out(kind, inputs, 1, [output] if output else None, **attributes)
        return name

    def nodes_out(
        self, kind: str, inputs: Sequence[str], count: int, outputs: Sequence[str] | None = None, **attributes: Any
    ) -> list[str]:
        """Append a node of several outputs; returns their names."""
        name = self._fresh(f"{self.scope}/{kind}" if self.scope else kind)
        made = list(outputs) if outputs else [name if count == 1 else f"{name}.{index}" for index in range(count)]
        self.nodes.append(helper.make_node(kind, list(inputs), made, name=name, **attributes))
        return made

    def constant(self, value: NDArray[Any], hint: str) -> str:
        """The name of a constant; equal constants are stored once."""
        key = (value.dtype.str, value.shape, value.tobytes())
        if key not in self._known:
            name = self._fresh(hint)
            self.constants[name] = numpy_helper.from_array(np.asarray(value, order="C"), name)
            self._known[key] = name
        return self._known[key]

    def narrow_constant(self, codes: NDArray[np.uint8], hint: str) -> str:
        """The name of a constant of codes below 16, stored two in a byte."""
        name = self._fresh(hint)
        self.constants[name] = helper.make_tensor(name, TensorProto.UINT4, codes.shape, codes.reshape(-1).tolist())
        return name

    def number(self, value: float | int) -> str:
        """A float constant without axes."""
        return self.constant(np.asarray(value, np.float32), "number")

    def whole(self, *values: int) -> str:
        """A list of integers."""
        return self.constant(np.asarray(values, np.int64), "whole")

    def set_sides(self, height: str, width: str) -> None:
        """Say which values, lists of one integer, are height and width of the padded picture."""
        self._sides = (height, width)

    def extent(self, extent: Extent) -> str:
        """A length as a list of one integer, computed in the graph where it depends on the picture."""
        if not isinstance(extent, Size):
            return self.whole(extent)
        if extent not in self._extents:
            scope, self.scope = self.scope, "size"
            self._extents[extent] = self._sum([self._term(*term) for term in terms_of(extent)])
            self.scope = scope
        return self._extents[extent]

    def lengths(self, extents: Sequence[Extent]) -> str:
        """Lengths as one list of integers."""
        if all(isinstance(one, int) for one in extents):
            return self.whole(*(one for one in extents if isinstance(one, int)))
        return self.node("Concat", [self.extent(one) for one in extents], axis=0)

    def _term(self, num: int, den: int, height: int, width: int, down: int, across: int) -> str:
        value = self.whole(num)
        for side, power, multiple in zip(self._sides, (height, width), (down, across), strict=True):
            for _ in range(power):
                value = self.node("Mul", [value, self._rounded_up(side, multiple)])
        return value if den == 1 else self.node("Div", [value, self.whole(den)])

    def _rounded_up(self, side: str, multiple: int) -> str:
        if multiple == 1:
            return side
        steps = self.node("Div", [self.node("Add", [side, self.whole(multiple - 1)]), self.whole(multiple)])
        return self.node("Mul", [steps, self.whole(multiple)])

    def _sum(self, values: Sequence[str]) -> str:
        total = values[0]
        for value in values[1:]:
            total = self.node("Add", [total, value])
        return total

    def _fresh(self, hint: str) -> str:
        count = self._names.get(hint, 0)
        self._names[hint] = count + 1
        return f"{hint}.{count}" if count else hint
