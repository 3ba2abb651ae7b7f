"""What one operation is: the form of a definition. The definitions are the files of `intaglio.packed.ops`.

Everything that checks, stores, describes or limits operations is derived from them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from intaglio.packed.errors import AttributeRangeError, ShapeError
from intaglio.packed.field import Field, Fields, Shape, Shapes, unbounded
from intaglio.packed.program import Op
from intaglio.packed.size import MAX_LENGTH, Extent, Size, evaluate

MAX_RANK = 8
MAX_FACTOR = 16
"""The largest factor between the sides of two maps."""
MAX_REAL = 1e30
"""The greatest magnitude of a number in an attribute."""

Form = Literal["int", "float", "str", "ints", "floats", "size", "sizes"]


@dataclass(frozen=True)
class Attribute:
    """The form of an attribute and its limits: least and greatest number, fewest and most entries, or words."""

    form: Form
    low: float = 0.0
    high: float = 0.0
    least: int = 1
    most: int = 1
    choices: tuple[str, ...] = ()

    def check(self, where: str, key: str, value: Any) -> None:
        """Raises: AttributeRangeError if `value` is not of this form and within these limits."""
        if self.form == "str":
            if value not in self.choices or type(value) is not str:
                raise _refuse(where, key, value, f"one of {', '.join(self.choices)}")
            return
        many = self.form.endswith("s")
        if many and type(value) is not tuple:
            raise _refuse(where, key, value, f"a list of {self.form}")
        entries: Sequence[Any] = value if many else (value,)
        if not self.least <= len(entries) <= self.most:
            raise _refuse(where, key, value, f"{self.least} to {self.most} entries")
        kind = self.form.removesuffix("s")
        if not all(self._fits(kind, entry) for entry in entries):
            raise _refuse(where, key, value, f"{kind} from {self.low:g} to {self.high:g}")

    def _fits(self, kind: str, entry: Any) -> bool:
        if kind == "size":
            return isinstance(entry, Size) or (type(entry) is int and self.low <= entry <= self.high)
        return type(entry).__name__ == kind and bool(self.low <= entry <= self.high)


def _refuse(where: str, key: str, value: Any, expected: str) -> AttributeRangeError:
    return AttributeRangeError(f"{where}: {key} is {str(value)[:100]}, expected {expected}; lower it again.")


def whole(low: int, high: int) -> Attribute:
    """An integer."""
    return Attribute("int", float(low), float(high))


def real(low: float = -MAX_REAL, high: float = MAX_REAL) -> Attribute:
    """A number."""
    return Attribute("float", low, high)


def word(*choices: str) -> Attribute:
    """One of some words."""
    return Attribute("str", choices=choices)


def wholes(low: int, high: int, least: int, most: int | None = None) -> Attribute:
    """A list of integers; of exactly `least` entries if `most` is None."""
    return Attribute("ints", float(low), float(high), least, least if most is None else most)


def reals(low: float, high: float, least: int, most: int | None = None) -> Attribute:
    """A list of numbers; of exactly `least` entries if `most` is None."""
    return Attribute("floats", low, high, least, least if most is None else most)


def extent(low: int) -> Attribute:
    """A length that may depend on the picture, `low` or more."""
    return Attribute("size", float(low), float(MAX_LENGTH))


def extents(low: int, least: int, most: int) -> Attribute:
    """A list of lengths that may depend on the picture, each `low` or more."""
    return Attribute("sizes", float(low), float(MAX_LENGTH), least, most)


AXIS = whole(0, MAX_RANK - 1)


class Dim(NamedTuple):
    """An axis of a tensor: 1 to `most` entries. Axes of one name have one length, in all tensors of an operation."""

    name: str
    most: int


@dataclass(frozen=True)
class Tensor:
    """A tensor of an operation. A ``weight`` is float without sites, and codes (role ``<role>.codes``) with them.

    `dims` is None where any shape will do. `when`, an attribute and a word, says where the tensor is needed at all.
    """

    role: str
    dims: tuple[Dim, ...] | None
    form: Literal["float", "weight", "indices"] = "float"
    optional: bool = False
    when: tuple[str, str] | None = None


Picture = tuple[int, int]
"""Height and width of the padded picture."""


def costs_nothing(op: Op, shapes: Shapes, out: Shape) -> int:
    """No multiplications."""
    return 0


def agrees(op: Op) -> str | None:
    """Nothing more to check."""
    return None


@dataclass(frozen=True)
class Definition:
    """One kind of operation.

    `arity` is the least and the greatest number of inputs. `tensors` and `sites` stand in the order of storage; an
    operation has all of its sites or none. `shape` gives the shape of the output, or raises ShapeError; `check` says
    what is wrong between attributes and tensors that are right by themselves; `field` gives the receptive field, `cost`
    the number of multiply-adds.
    """

    kind: str
    shape: Callable[[Op, Shapes, Picture], Shape]
    arity: tuple[int, int] = (1, 1)
    attrs: Mapping[str, Attribute] = dataclasses.field(default_factory=dict)
    tensors: tuple[Tensor, ...] = ()
    sites: tuple[str, ...] = ()
    check: Callable[[Op], str | None] = agrees
    field: Callable[[Op, Fields, Shapes, Shape], Field | None] = unbounded
    cost: Callable[[Op, Shapes, Shape], int] = costs_nothing

    def __post_init__(self) -> None:
        object.__setattr__(self, "attrs", MappingProxyType(dict(self.attrs)))


def need(condition: bool, op: Op, shapes: Shapes, expected: str) -> None:
    """Raises: ShapeError unless the condition holds."""
    if not condition:
        raise ShapeError(
            f"{op.kind} {op.name!r} reads shapes {[tuple(shape) for shape in shapes]}, expected {expected}; "
            "lower the network again, or give a larger picture."
        )


def lengths(op: Op, name: str, picture: Picture) -> Shape:
    """The lengths that an attribute says, for this picture. Raises: ShapeError."""
    return tuple(evaluate(one, *picture) for one in op.extents(name))


def length(op: Op, name: str, picture: Picture) -> int:
    """The length that an attribute says, for this picture. Raises: ShapeError."""
    one: Extent = op.extent(name)
    return evaluate(one, *picture)


def same_shape(op: Op, shapes: Shapes, picture: Picture) -> Shape:
    """The shape of the only input."""
    return shapes[0]
