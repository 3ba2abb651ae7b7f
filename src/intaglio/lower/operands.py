"""What a rule of translation is given: the arguments of one call as nodes, constants and numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from intaglio.errors import LoweringError
from intaglio.lower.align import AlignedCall, Constant, Shape, Side, SizeError, Varying
from intaglio.lower.graph import Graph, Node
from intaglio.lower.recognise import addends
from intaglio.lower.trace import Ref
from intaglio.spec import SiteName

Value = Node | Constant
Result = Node | Sequence[Node | None]


@dataclass(frozen=True)
class Operands:
    """One call, and the graph to which its meaning is appended. Arguments are asked for by torch's names."""

    call: AlignedCall
    graph: Graph
    values: Mapping[int, Value]

    @property
    def shape(self) -> Shape:
        """Of the (first) result."""
        return self.call.shapes[0]

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """Of all results."""
        return self.call.shapes

    def refuse(self, reason: str) -> NoReturn:
        """Raises: LoweringError that names the operator and its place."""
        raise LoweringError(f"{self.call.op} in {self.call.place}: {reason}.")

    def refuse_size(self, reason: str) -> NoReturn:
        """Raises: SizeError: `refuse` for a reason that may be another at another multiple of the picture's sides."""
        raise SizeError(f"{self.call.op} in {self.call.place}: {reason}.")

    def has(self, name: str) -> bool:
        """Whether an argument is given and not None."""
        return self.call.args.get(name) is not None

    def raw(self, name: str) -> Any:
        """A node, a constant, or whatever else the argument is."""
        return self._value(self.call.args[name])

    def _value(self, value: Any) -> Any:
        if isinstance(value, Ref):
            return self.values[value.number]
        if isinstance(value, tuple) and not isinstance(value, Varying):
            return tuple(self._value(one) for one in value)
        return value

    def node(self, name: str) -> Node:
        """A tensor as a node; a constant becomes one."""
        return self.as_node(self.raw(name))

    def nodes(self, name: str) -> list[Node]:
        """A list of tensors, constants in their full shape so that they can be joined."""
        found = self.raw(name)
        return [one if isinstance(one, Node) else self._full(one) for one in found]

    def _full(self, constant: Constant) -> Node:
        return self.graph.reshape(self.as_node(constant), self.graph.shape(*constant.tensors[0].shape))

    def as_node(self, value: Any) -> Node:
        """A node for a tensor or a number."""
        if isinstance(value, Node):
            return value
        if isinstance(value, Constant):
            found = self.addends(value)
            if len(found) == 1:
                return found[0]
            return self.graph.binary("add", *found)
        if isinstance(value, Varying):
            return self._counted(value)
        return self.graph.constant(np.asarray(self.checked(value), np.float32))

    def _counted(self, value: Varying) -> Node:
        """A number that follows from the size, or its reciprocal, as a sum of so many ones: the program counts them."""
        inverted = not all(float(x).is_integer() for x in value)
        lengths = tuple(round(1.0 / x if inverted else x) for x in value)
        if min(lengths) < 1 or any(
            abs((1.0 / x if inverted else x) - length) > 1e-9 * length for x, length in zip(value, lengths, strict=True)
        ):
            self.refuse_size(f"a number follows from the picture's size ({', '.join(map(str, value))})")
        ones = self.graph.expand(self.graph.constant(np.ones(1, np.float32)), (lengths,))
        total = self.graph.node("reduce", (ones,), (), {"function": "sum", "axes": (0,), "keep": 0})
        return self.graph.activation(total, "reciprocal") if inverted else total

    def addends(self, constant: Constant) -> list[Node]:
        """Nodes whose sum a constant is. Raises: LoweringError for a table that follows from the size, unrecognised."""
        found = addends(self.graph, constant)
        if found is None:
            shapes = [tuple(x.shape) for x in constant.tensors]
            self.refuse_size(
                f"reads a table that is computed from the picture's size (shapes {shapes}) and is no mask of shifted"
                " windows; programs have no operation for it"
            )
        return found

    def array(self, name: str) -> NDArray[np.float32]:
        """A parameter. Raises: LoweringError where it depends on the picture or its size."""
        value = self.raw(name)
        if not isinstance(value, Constant) or not value.fixed:
            self.refuse_size(f"its {name} depends on the picture, but must be a parameter")
        return np.ascontiguousarray(value.tensors[0].detach().float().numpy())

    def weight_site(self, name: str) -> SiteName | None:
        """The site that a parameter went through."""
        value = self.raw(name)
        return value.site if isinstance(value, Constant) else None

    def scalar(self, value: Any) -> float | None:
        """The number that a value is, None for a tensor of several values."""
        if isinstance(value, Constant):
            return float(value.tensors[0]) if value.fixed and value.tensors[0].numel() == 1 else None
        return None if isinstance(value, (Node, Varying)) else self.checked(value)

    def checked(self, value: Any) -> float:
        """A number that does not follow from the size. Raises: LoweringError otherwise."""
        if isinstance(value, Varying):
            self.refuse_size(
                f"a number follows from the picture's size ({', '.join(map(str, value))}), not from the network"
            )
        return float(value)

    def number(self, name: str) -> float:
        """A number."""
        return self.checked(self.raw(name))

    def integer(self, name: str) -> int:
        """An integer."""
        return int(self.number(name))

    def integers(self, name: str) -> tuple[int, ...]:
        """Integers, one or a list."""
        value = self.raw(name)
        return tuple(int(self.checked(x)) for x in (value if type(value) is tuple else (value,)))

    def pair(self, name: str) -> tuple[int, int]:
        """Two integers; one stands for both."""
        found = self.integers(name)
        return (found[0], found[-1])

    def side(self, value: Any) -> Side:
        """A length, whether it follows from the size or not."""
        return tuple(int(x) for x in value) if isinstance(value, Varying) else self.graph.side(int(value))

    def axis(self, name: str, rank: int) -> int:
        """An axis, counted from the front."""
        return self.integer(name) % rank

    def axes(self, name: str, rank: int) -> tuple[int, ...]:
        """Axes, counted from the front, ascending; all of them where none is given."""
        if not self.has(name) or self.raw(name) == ():
            return tuple(range(rank))
        return tuple(sorted(axis % rank for axis in self.integers(name)))


Rule = Callable[[Operands], Result]
