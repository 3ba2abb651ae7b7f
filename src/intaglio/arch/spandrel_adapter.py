"""Networks of the many architectures that spandrel reads, as plain modules; spandrel is an optional extra (``zoo``).

Only this file imports it, and only when asked. Our own architectures need no adapter (see `load.py`).
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from torch import nn

from intaglio.arch.load import read_state
from intaglio.errors import CheckpointError


@dataclass(frozen=True)
class ForeignModel:
    """A network as spandrel describes it: pictures (N, C, H, W) in [0, 1] to pictures `scale` times as large."""

    network: nn.Module
    architecture: str
    scale: int
    in_channels: int


def load_foreign(path: str | Path) -> ForeignModel:
    """The network of a checkpoint, recognised by spandrel, on the CPU in evaluation mode; hand it to `quant.adopt`.

    The file is read by our own reader, so nothing in it is ever executed.

    Raises: CheckpointError if spandrel or its torchvision cannot be imported (remedy: the extra ``zoo``, with torch and
    torchvision of the same variant), the file is damaged, or spandrel does not know it.
    """
    spandrel = _spandrel()
    state = read_state(Path(path))
    try:
        model = spandrel.ModelLoader(device="cpu").load_from_state_dict(dict(state))
    except (spandrel.UnsupportedModelError, ValueError, KeyError, RuntimeError) as error:
        raise CheckpointError(
            f"spandrel cannot load {path} ({_first_line(error)}); use a checkpoint of an architecture that it lists."
        ) from error
    return ForeignModel(model.model.eval(), str(model.architecture.id), int(model.scale), int(model.input_channels))


def _spandrel() -> ModuleType:
    try:
        return importlib.import_module("spandrel")
    except (ImportError, RuntimeError) as error:
        # A torchvision that was built for another torch fails with RuntimeError, not with ImportError.
        raise CheckpointError(
            f"spandrel cannot be imported ({_first_line(error)}); install `intaglio[zoo]` with torch and torchvision of"
            " the same variant (both for the CPU, say), or use a built-in architecture."
        ) from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__).rstrip(".:")
