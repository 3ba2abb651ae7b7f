"""Where torch computes, by the names that people give: cpu, cuda, cuda:1, auto."""

from __future__ import annotations

import torch

from intaglio.errors import SpecError

CPU = torch.device("cpu")
AUTO = "auto"


def device_of(name: str) -> torch.device:
    """The device that a name stands for, tried once; `AUTO` is the first GPU, or the CPU where there is none.

    Raises: SpecError where torch knows no such device or this machine has none.

    >>> device_of("cpu")
    device(type='cpu')
    """
    if name == AUTO:
        return torch.device("cuda") if torch.cuda.is_available() else CPU
    try:
        device = torch.device(name)
        torch.ones(1, device=device).sum().item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__).rstrip(".")
        raise SpecError(f"--device {name} cannot be used here ({reason}); choose cpu, or auto.") from None
    return device
