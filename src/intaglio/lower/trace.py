"""One pass of a network on a picture without values, written down operator by operator.

Only what depends on the picture is written down. Everything else (parameters, tables of indices, masks that follow from
the picture's size, position biases computed by a small network) is evaluated for real and stands in the record as a
tensor. `align.py` lays the passes at several sizes on one another.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import jaxtyping
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from intaglio.errors import LoweringError
from intaglio.lower.memory import box, overlap, storage_of
from intaglio.lower.schema import SIZE_ALONE, by_name
from intaglio.quant import markers
from intaglio.quant.tracing import located
from intaglio.spec import SiteName

_SKIPPED = (
    *(str(Path(str(module.__file__)).parent) for module in (torch, jaxtyping, markers)),
    str(Path(__file__).parent),
    "<",
)
"""Beginnings of the names of files that are nobody's network: torch, checks of types, this package's own layers."""


@dataclass(frozen=True)
class Place:
    """Where an operator was called: the module's path and the line of source."""

    module: str
    source: str

    def __str__(self) -> str:
        return f"{self.module or 'the network itself'!s} ({self.source})"


@dataclass(frozen=True)
class Ref:
    """A value that an earlier call made, by number; 0 is the picture."""

    number: int


@dataclass(frozen=True, eq=False)
class Fixed:
    """A tensor that does not depend on the picture, and the weight site that it went through, if any."""

    tensor: Tensor
    site: SiteName | None = None


@dataclass(frozen=True)
class Call:
    """One operator: its name, its arguments by name, the numbers and shapes of the values it makes, its place."""

    op: str
    args: Mapping[str, Any]
    outputs: tuple[int, ...]
    shapes: tuple[tuple[int, ...], ...]
    place: Place


@dataclass(frozen=True)
class Trace:
    """The calls of one pass, and the number of the value that is the result."""

    size: tuple[int, int]
    calls: tuple[Call, ...]
    result: int


class UnlikeError(Exception):
    """A pass that does something else than an earlier one at another size."""


OnCall = Callable[[Call], None]


def trace(network: nn.Module, channels: int, size: tuple[int, int], on_call: OnCall = lambda call: None) -> Trace:
    """The pass of a network in evaluation mode on a picture of `size`, (1, channels, height, width).

    `on_call` hears of each call as it is made and may stop the pass.

    Raises: LoweringError where the network does what no program can (values decide what is computed, or a tensor is
    written to in part), naming the place.
    """
    fake = FakeTensorMode(allow_non_fake_inputs=True)
    picture = fake.from_tensor(torch.empty(1, channels, *size))
    recorder = _Recorder(picture, on_call)
    paths = [path for path, _ in network.named_modules()]
    with torch.no_grad(), located(network, paths) as recorder.running, _Whole(), recorder:
        output = network(picture)
    if not isinstance(output, Tensor) or recorder.number_of(output) is None:
        raise LoweringError("the network returns no picture that depends on its input; wrap it in a module that does.")
    return Trace(size, tuple(recorder.calls), recorder.number_of(output) or 0)


class _Whole(TorchFunctionMode):
    """Keeps linears and products of matrices whole, which torch would take apart before a record sees them."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        named = dict(kwargs or {})
        if func is nn.functional.linear:
            x, weight, bias = _taken(args, named, ("input", "weight", "bias"))
            if isinstance(x, FakeTensor) and not isinstance(weight, FakeTensor) and x.dim() > 1:
                return torch.ops.intaglio.linear(x, weight, bias)
        elif func in _PRODUCTS:
            a, b, _ = _taken(args, named, ("input", "other", "out"))
            if any(isinstance(x, FakeTensor) for x in (a, b)) and min(a.dim(), b.dim()) > 1:
                return torch.ops.intaglio.matmul(a, b)
        return func(*args, **named)


_PRODUCTS = {torch.matmul, torch.linalg.matmul, Tensor.matmul, Tensor.__matmul__}


def _taken(args: tuple[Any, ...], named: Mapping[str, Any], names: tuple[str, str, str]) -> tuple[Any, Any, Any]:
    found = [*args, *(named.get(name) for name in names[len(args) :])]
    return found[0], found[1], found[2]


@dataclass
class _Written:
    """The last write into a storage: the tensor that was written through."""

    tensor: Tensor
    time: int


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Writes down every operator on tensors without values; see `trace`."""

    def __init__(self, picture: Tensor, on_call: OnCall) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: list[Call] = []
        self.running: list[str] = []
        self._on_call = on_call
        self._numbers: dict[int, tuple[Tensor, int, int]] = {id(picture): (picture, 0, 0)}
        self._sites: dict[int, tuple[Tensor, SiteName]] = {}
        self._written: dict[int, list[_Written]] = {}
        self._next = 1

    def number_of(self, tensor: Tensor) -> int | None:
        """The number of a value, None for a tensor that depends on no picture."""
        found = self._numbers.get(id(tensor))
        return None if found is None else found[1]

    def __torch_dispatch__(
        self,
        func: Any,
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        named = dict(kwargs or {})
        tensors = [x for x in tree_leaves((args, named)) if isinstance(x, Tensor)]
        if not any(isinstance(x, FakeTensor) for x in tensors):
            return self._evaluate(func, args, named)
        name = str(func)
        if name in SIZE_ALONE:
            return SIZE_ALONE[name](func, args, named)
        if name.startswith("prim."):
            return func(*args, **named)
        arguments = by_name(func, args, named)
        place = self._place()
        recorded = {key: self._recorded(value, place) for key, value in arguments.items()}
        try:
            result = func(*args, **named)
        except (RuntimeError, NotImplementedError) as error:
            if type(error).__module__.startswith("torch._subclasses"):
                raise LoweringError(
                    f"{name} in {place}: what is computed depends on values of the picture, not on its size alone;"
                    " no program can do that."
                ) from error
            raise
        self._record(func, name, recorded, arguments, result, place)
        return result

    def _evaluate(self, func: Any, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        result = func(*args, **named)
        if str(func) == "intaglio.site.default":
            self._sites[id(result)] = (result, args[1])
        return result

    def _record(
        self, func: Any, name: str, recorded: dict[str, Any], arguments: dict[str, Any], result: Any, place: Place
    ) -> None:
        results = [result] if isinstance(result, Tensor) else list(result)
        numbers = tuple(range(self._next, self._next + len(results)))
        self._next += len(results)
        shapes = tuple(tuple(int(side) for side in x.shape) if isinstance(x, Tensor) else () for x in results)
        target = _written_to(func, arguments)
        if target is not None:
            self._write(target, place)
            name = _functional(name)
        for x, number in zip(results, numbers, strict=True):
            if isinstance(x, Tensor):
                self._numbers[id(x)] = (x, number, len(self.calls))
        call = Call(name, recorded, numbers, shapes, place)
        self._on_call(call)
        self.calls.append(call)

    def _recorded(self, value: Any, place: Place) -> Any:
        if isinstance(value, Tensor):
            found = self._numbers.get(id(value))
            if found is not None:
                return Ref(self._current(value, place))
            if isinstance(value, FakeTensor):
                raise LoweringError(f"{place}: a tensor of unknown origin enters; this is a fault of intaglio.")
            site = self._sites.get(id(value))
            return Fixed(value, site[1] if site else None)
        if isinstance(value, (list, tuple)):
            return tuple(self._recorded(one, place) for one in value)
        return value

    def _write(self, target: Tensor, place: Place) -> None:
        if not isinstance(target, FakeTensor):
            raise LoweringError(
                f"{place}: what depends on the picture is written into a tensor that does not; programs write no"
                " tensor twice. Build it by `torch.cat` or `torch.stack` instead."
            )
        self._written.setdefault(storage_of(target), []).append(_Written(target, len(self.calls)))

    def _current(self, tensor: Tensor, place: Place) -> int:
        """The number of a tensor's value, brought up to date where part of it was written to through a view.

        Raises: LoweringError where what was written is no part of it along its own axes.
        """
        _, number, made = self._numbers[id(tensor)]
        for written in self._written.get(storage_of(tensor), ()):
            if written.time <= made or written.tensor is tensor or not overlap(written.tensor, tensor):
                continue
            starts = box(written.tensor, tensor)
            if starts is None:
                raise LoweringError(
                    f"{place}: reads a tensor that was changed in place through another view of it; programs write no"
                    " tensor twice. Take out the in-place operator."
                )
            arguments = {"self": Ref(number), "src": Ref(self._numbers[id(written.tensor)][1]), "starts": starts}
            number = self._append("intaglio.scatter.default", arguments, tensor, place)
        return number

    def _append(self, op: str, arguments: dict[str, Any], tensor: Tensor, place: Place) -> int:
        """A call that torch did not make, by which `tensor` gets a new value; returns its number."""
        number = self._next
        self._next += 1
        call = Call(op, arguments, (number,), (tuple(int(side) for side in tensor.shape),), place)
        self._on_call(call)
        self.calls.append(call)
        self._numbers[id(tensor)] = (tensor, number, len(self.calls))
        return number

    def _place(self) -> Place:
        frame: FrameType | None = sys._getframe(2)
        while frame is not None and frame.f_code.co_filename.startswith(_SKIPPED):
            frame = frame.f_back
        source = "unknown line" if frame is None else f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
        return Place(self.running[-1] if self.running else "", source)


def _written_to(func: Any, arguments: Mapping[str, Any]) -> Tensor | None:
    """The tensor that an in-place operator changes."""
    for argument in func._schema.arguments:
        if argument.alias_info is not None and argument.alias_info.is_write:
            tensor = arguments[argument.name]
            return tensor if isinstance(tensor, Tensor) else None
    return None


def _functional(name: str) -> str:
    """``aten.add_.Tensor`` is ``aten.add.Tensor`` whose result takes the place of its first operand."""
    namespace, operator, overload = name.split(".")
    return f"{namespace}.{operator.removesuffix('_')}.{overload}"
