"""The group of processes, by `torch.distributed`: gloo on CPUs, NCCL on GPUs."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from intaglio.errors import RankError

T = TypeVar("T")

_PLACE_IN_SOURCE = re.compile(r"^\[\S+:\d+\] ")

PATIENCE = timedelta(minutes=30)
"""How long a process waits for another one that is alive: a slow one may be checking what others wait for."""


@contextmanager
def joined(device: torch.device) -> Iterator[torch.device]:
    """Within the block this process is one of those that torchrun (or srun with its variables) started, if it did.

    Gives the device of this process: of several GPUs, the one of its local rank.
    Raises: RankError where the others cannot be reached, or one of them is gone.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2 or not dist.is_available():
        yield device
        return
    if device.type == "cuda" and device.index is None:
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    backend = "nccl" if device.type == "cuda" else "gloo"
    _collective(lambda: dist.init_process_group(backend, timeout=PATIENCE))
    try:
        yield device
    finally:
        dist.destroy_process_group()


def count() -> int:
    """How many processes there are."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Which one this is, from 0."""
    return dist.get_rank() if count() > 1 else 0


def is_first() -> bool:
    """Whether this is the one that writes and tells."""
    return rank() == 0


def own_slice(length: int) -> slice:
    """This process's share of so many items: neighbours, in order, as many as the others have or one more.

    >>> own_slice(3)
    slice(0, 3, None)
    """
    return slice(length * rank() // count(), length * (rank() + 1) // count())


def total(x: Tensor) -> Tensor:
    """The sum over all processes; the tensor itself, changed in place."""
    return _reduced(x, dist.ReduceOp.SUM) if count() > 1 else x


def lowest(value: float) -> float:
    """The least of a number over all processes."""
    return -highest(-value)


def highest(value: float) -> float:
    """The greatest of a number over all processes."""
    if count() == 1:
        return value
    return float(_reduced(torch.tensor(value, dtype=torch.float64, device=_place()), dist.ReduceOp.MAX))


def gathered(mine: T) -> list[T]:
    """What each process has, in the order of ranks, moved to this one's memory. Tensors must be the CPU's."""
    if count() == 1:
        return [mine]
    found: list[T | None] = [None] * count()
    _collective(lambda: dist.all_gather_object(found, mine))
    return [one for one in found if one is not None]


def agree(tensors: Iterable[Tensor]) -> None:
    """Give every process the first one's values, in place, so that nothing they decide on can come to differ."""
    if count() == 1:
        return
    for x in tensors:
        held = x.detach().contiguous()
        _collective(lambda held=held: dist.broadcast(held, 0))  # type: ignore[misc]
        if held.data_ptr() != x.data_ptr():
            x.detach().copy_(held)


def _reduced(x: Tensor, way: dist.ReduceOp.RedOpType) -> Tensor:
    _collective(lambda: dist.all_reduce(x, way))
    return x


def _place() -> torch.device:
    return torch.device("cuda", torch.cuda.current_device()) if dist.get_backend() == "nccl" else torch.device("cpu")


def _collective(work: Callable[[], object]) -> None:
    """Raises: RankError where an operation of all processes fails."""
    try:
        work()
    except (RuntimeError, ValueError) as error:
        place, known = os.environ.get("RANK", "?"), str(error) or type(error).__name__
        known = _PLACE_IN_SOURCE.sub("", known).splitlines()[0].split(". ")[0].rstrip(".")
        raise RankError(
            f"rank {place} has lost the other processes ({known}); all of them end. Start the command "
            "again, with --checkpoint-dir and --resume to go on from the last state that was kept."
        ) from error
