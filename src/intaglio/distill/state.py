"""What a distillation writes down so that it can go on after a kill, with the same result as without one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from intaglio._atomic import atomic_write
from intaglio.errors import ResumeError


@dataclass(frozen=True)
class Checkpoint:
    """State after `iteration` steps. `fingerprint` identifies settings, patches and starting values."""

    fingerprint: str
    iteration: int
    values: Float[Tensor, " s"]
    optimizer: dict[str, Any]
    losses: tuple[float, ...]

    def save(self, path: Path) -> None:
        """Write the checkpoint whole or not at all.

        Raises: OutputError if the folder cannot be written.
        """
        content = {**vars(self), "losses": list(self.losses)}
        with atomic_write(path) as file:
            torch.save(content, file)

    @classmethod
    def load(cls, path: Path, fingerprint: str) -> Checkpoint:
        """Read a checkpoint of the very run that `fingerprint` names.

        Raises: ResumeError for a damaged file or another run's (remedy: another run folder, or delete the file).
        """
        try:
            content = torch.load(path, weights_only=True, map_location="cpu")
            checkpoint = cls(**{**content, "losses": tuple(content["losses"])})
        except Exception as error:  # a damaged file can fail anywhere inside the unpickler
            raise ResumeError(
                f"{path} is no checkpoint of a distillation ({error}); delete it to start again."
            ) from error
        if checkpoint.fingerprint != fingerprint:
            raise ResumeError(
                f"{path} belongs to a run with other settings, patches or weights; delete it or name another folder."
            )
        return checkpoint


def fingerprint(settings: Mapping[str, object], patches: Float[Tensor, "n c h w"], start: Float[Tensor, " s"]) -> str:
    """SHA-256 of everything that determines a run's result on one machine, but for the network's weights, which the
    starting bounds were fitted to. `settings` are JSON values."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for tensor in (patches, start):
        digest.update(str(tuple(tensor.shape)).encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
