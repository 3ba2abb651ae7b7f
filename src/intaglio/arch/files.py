"""Reading a checkpoint file: safetensors or PyTorch's own format, never freely unpickled; what else a file can be.

Which of its tensors are the network's is in `unwrapping.py`, what they mean in `load.py`.
"""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from json import JSONDecodeError, loads
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from intaglio.errors import CheckpointError

SNIFFED = 512
"""Bytes at the start of a file by which its kind is known."""

ZIP = b"PK\x03\x04"
LFS = b"version https://git-lfs"
METADATA = "metadata"
"""Under this name traiNNer-redux keeps the hyper-parameters of a network in a safetensors file, as JSON."""


@dataclass(frozen=True)
class Stored:
    """What a file holds, and the hyper-parameters that it states beside the tensors, by the training code's names."""

    content: object
    options: Mapping[str, Any] = field(default_factory=dict)


def read_file(path: Path) -> Stored:
    """The contents of a checkpoint file, on the CPU, as they are stored.

    Raises: CheckpointError if the file is missing, damaged, no checkpoint, or holds Python objects.
    """
    if not path.is_file():
        raise CheckpointError(f"checkpoint {path} does not exist or is no file; check the path.")
    if not os.access(path, os.R_OK):
        raise CheckpointError(f"checkpoint {path} may not be read; change its permissions.")
    with path.open("rb") as stream:
        start = stream.read(SNIFFED)
    _refuse_other_kinds(path, start)
    is_safetensors = start[8:9] == b"{" or (path.suffix == ".safetensors" and not start.startswith(ZIP))
    return _read_safetensors(path) if is_safetensors else Stored(_read_torch(path))


def _refuse_other_kinds(path: Path, start: bytes) -> None:
    """Raises: CheckpointError for files that people take for checkpoints (with what they are, and what to do)."""
    if start.startswith(LFS):
        raise CheckpointError(
            f"{path} is a pointer of Git LFS, not the file itself; run `git lfs pull`, or download it from its page."
        )
    if re.match(rb"\s*(<!doctype\s+html|<html|<\?xml)", start, re.IGNORECASE):
        raise CheckpointError(
            f"{path} is a web page, saved in place of the file; download it again by the link of the file itself."
        )
    if start.startswith(ZIP) and _is_torchscript(path):
        raise CheckpointError(
            f"{path} is a TorchScript archive, which holds code; where it was made, save the weights alone:"
            " torch.save(model.state_dict(), 'weights.pth')."
        )


def _is_torchscript(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/constants.pkl") or "/code/" in name for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False  # damaged: whoever reads it says so


def _read_safetensors(path: Path) -> Stored:
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a mapping)
            return Stored(tensors, _options(file.metadata() or {}))
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} is damaged or no safetensors file ({_first_line(error)}); get it again."
        ) from error


def _options(metadata: Mapping[str, str]) -> Mapping[str, Any]:
    """The hyper-parameters that traiNNer-redux states; none where they are not what it writes."""
    try:
        found = loads(metadata.get(METADATA, "{}"))
    except (JSONDecodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


class _Ignored:
    """Stands for a number of numpy beside the weights, so that numpy's own functions need not be allowed."""

    def __init__(self, *_: object) -> None:
        """Nothing is kept."""

    def __setstate__(self, _: object) -> None:
        """Nothing is kept."""


class _IgnoredType(_Ignored):
    """Stands for a type of numpy."""


_NUMPY_SCALARS: list[Any] = [
    (_Ignored, "numpy._core.multiarray.scalar"),
    (_Ignored, "numpy.core.multiarray.scalar"),
    (_IgnoredType, "numpy.dtype"),
]


def _read_torch(path: Path) -> object:
    try:
        # A stream, because torch decides by the name of a path what it reads.
        with path.open("rb") as stream, torch.serialization.safe_globals(_NUMPY_SCALARS):
            return torch.load(stream, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can fail anywhere inside the unpickler
        if refused := re.search(r"[Uu]nsupported (?:global|class)[^\w]*(?:GLOBAL )?([\w.]+)", str(error)):
            raise CheckpointError(
                f"{path} holds a '{refused[1]}' beside its tensors, and Python objects are never unpickled; where it"
                " was made, save the weights alone: torch.save(model.state_dict(), 'weights.pth')."
            ) from error
        if "weights_only" in str(error):
            raise CheckpointError(
                f"{path} is no checkpoint, or holds Python objects besides tensors, which are never unpickled; where it"
                " was made, save the weights alone: torch.save(model.state_dict(), 'weights.pth')."
            ) from error
        raise CheckpointError(f"{path} is damaged or no checkpoint ({_first_line(error)}); get it again.") from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__).rstrip(".")[:120]
