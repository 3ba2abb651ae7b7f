"""A second device without any hardware: its tensors hold real values, and whoever mixes devices is told.

Tensors of `Elsewhere` say that they are on `DEVICE`; within `second_device`, moving and creating there makes some.
As on a GPU, an operation takes tensors of one device, single numbers of the CPU besides, and CPU indices; memory cannot
be read as an array. Random numbers there differ from the CPU's on a GPU; here they are the CPU's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

DEVICE = torch.device("meta")
"""What tensors of the second device say of themselves: the one kind that needs no driver and that computes nothing."""

_MAY_MIX = {"aten::copy_", "aten::_to_copy", "aten::index.Tensor", "aten::index_put_", "aten::index_put"}


class Elsewhere(Tensor):
    """A tensor of the second device; `held` has its values, on the CPU."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> Elsewhere:
        made = Tensor._make_wrapper_subclass(
            cls, held.size(), strides=held.stride(), storage_offset=held.storage_offset(), dtype=held.dtype,
            layout=held.layout, device=DEVICE, requires_grad=held.requires_grad,
        )  # fmt: skip
        made.held = held
        return made

    def __repr__(self, **_: Any) -> str:
        return f"Elsewhere({self.held!r})"

    def numpy(self, **_: Any) -> Any:
        raise TypeError("can't convert a tensor of the second device to numpy; use .cpu() first")

    def __array__(self, *_: Any) -> Any:
        raise TypeError("can't convert a tensor of the second device to numpy; use .cpu() first")

    def tolist(self) -> Any:
        return self.detach().cpu().tolist()

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if id(self) in memo:
            return memo[id(self)]
        copied: Tensor = Elsewhere(self.held.detach().clone())
        if isinstance(self, torch.nn.Parameter):
            copied = torch.nn.Parameter(copied, self.requires_grad)
        else:
            copied.requires_grad_(self.requires_grad)
        memo[id(self)] = copied
        return copied

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return run(func, args, kwargs or {})


def run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """One operation, by the values that its tensors hold; the results are where the operands were, or were sent."""
    flat, _ = tree_flatten((args, kwargs))
    tensors = [x for x in flat if isinstance(x, Tensor)]
    there = [x for x in tensors if isinstance(x, Elsewhere)]
    name = func.name()
    if there and name not in _MAY_MIX and any(not isinstance(x, Elsewhere) and x.dim() for x in tensors):
        raise RuntimeError(f"Expected all tensors to be on the same device, but {name} got some of both")
    asked = kwargs.get("device")
    goes = torch.device(asked) == DEVICE if asked is not None else bool(there)
    if name.startswith("aten::index") and there and not isinstance(args[0], Elsewhere):
        raise RuntimeError(f"{name}: indices should be on the same device as the indexed tensor (cpu), or on the cpu")
    if func._schema.name.endswith("_") and not func._schema.name.endswith("__"):
        goes = isinstance(args[0], Elsewhere)
    if "device" in kwargs and asked is not None:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    held_args, held_kwargs = tree_map(lambda x: x.held if isinstance(x, Elsewhere) else x, (args, kwargs))
    with torch._C._DisableTorchDispatch():
        found = func(*held_args, **held_kwargs)
    known = {id(x.held): x for x in there}

    def wrapped(x: Any) -> Any:
        if not isinstance(x, Tensor):
            return x
        if id(x) in known:
            return known[id(x)]
        return Elsewhere(x) if goes and not isinstance(x, Elsewhere) else x

    return tree_map(wrapped, found)


class _Mode(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return run(func, args, kwargs or {})


def _without_inference(mode: bool = True) -> Any:
    return torch.no_grad() if mode else nullcontext()


@contextmanager
def second_device() -> Iterator[torch.device]:
    """While the block runs, `DEVICE` is a device that computes. Tensors that wrap others know no inference mode: what
    asks for it computes without gradients."""
    with patch.object(torch, "inference_mode", _without_inference), _Mode():
        yield DEVICE
