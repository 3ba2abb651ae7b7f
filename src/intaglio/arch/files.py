"""Reading a checkpoint file into a plain state dict: safetensors or PyTorch's own format, never freely unpickled.

What the tensors mean is not known here; see `load.py`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from intaglio.errors import CheckpointError

WRAPPERS = ("params_ema", "params", "state_dict", "model", "net")
"""Keys under which training code stores the weights, best first."""

PREFIXES = ("module.", "netG.", "model.", "net.")
"""What wrappers of networks put before every key."""


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint file, unwrapped, on the CPU, as they are stored.

    Raises: CheckpointError if the file is missing, damaged, no checkpoint, or holds more than tensors.
    """
    if not path.is_file():
        raise CheckpointError(f"checkpoint {path} does not exist or is no file; check the path.")
    if not os.access(path, os.R_OK):
        raise CheckpointError(f"checkpoint {path} may not be read; change its permissions.")
    return unwrap(_read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path), str(path))


def unwrap(content: object, source: str) -> dict[str, Tensor]:
    """The state dict inside what a file held: wrappers of training code and prefixes of all keys removed.

    Of several wrappers the first of `WRAPPERS` counts, so the averaged weights win. Raises: CheckpointError if there
    are no tensors by name.

    >>> list(unwrap({"params": {"module.conv.weight": torch.zeros(1)}}, "example"))
    ['conv.weight']
    """
    while isinstance(content, Mapping):
        inner = next((content[key] for key in WRAPPERS if isinstance(content.get(key), Mapping)), None)
        if inner is None:
            break
        content = inner
    if not isinstance(content, Mapping) or not content:
        raise CheckpointError(f"{source} holds no weights by name; choose a file with a state dict.")
    for key, value in content.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            kind = type(value).__name__
            raise CheckpointError(f"{source} holds a {kind} under {key!r}, not a tensor; save only the state dict.")
    return _without_prefixes(dict(content))


def _without_prefixes(state: dict[str, Tensor]) -> dict[str, Tensor]:
    for prefix in PREFIXES:
        if all(key.startswith(prefix) for key in state):
            return _without_prefixes({key.removeprefix(prefix): value for key, value in state.items()})
    return state


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a mapping)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} is damaged or no safetensors file ({_first_line(error)}); get it again."
        ) from error


def _read_torch(path: Path) -> object:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can fail anywhere inside the unpickler
        if "weights_only" in str(error):
            raise CheckpointError(
                f"{path} is no checkpoint, or holds Python objects besides tensors, which are never unpickled; "
                "save its state dict as .safetensors."
            ) from error
        raise CheckpointError(f"{path} is damaged or no checkpoint ({_first_line(error)}); get it again.") from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__).rstrip(".")[:120]
