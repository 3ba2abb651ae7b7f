"""What a training run writes down so that short leases of a machine add up to one run."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from intaglio._atomic import atomic_write
from intaglio.errors import ResumeError

from .settings import Settings


def identity(settings: Settings, pictures_sha256: str, start: Mapping[str, Tensor]) -> str:
    """SHA-256 over everything that determines a run: settings, pictures, first weights."""
    digest = hashlib.sha256(json.dumps([asdict(settings), pictures_sha256], sort_keys=True).encode())
    for name, tensor in start.items():
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


@dataclass
class Run:
    """A run as far as it has come. `average` is a float32 copy of the network, `seconds` the time spent on steps.

    `validation` holds (step, PSNR-Y in dB on the held-out tiles).
    """

    identity: str
    network: nn.Module
    average: nn.Module
    optimizer: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0
    validation: list[tuple[int, float]] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Write everything, whole or not at all. Raises: OutputError."""
        content = {
            "identity": self.identity,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "validation": [list(pair) for pair in self.validation],
        }
        with atomic_write(path) as stream:
            torch.save(content, stream)

    def restore(self, path: Path, device: torch.device) -> None:
        """Go on from a file that `save` wrote.

        Raises: ResumeError for a damaged file or another run's (remedy: delete it, or name another).
        """
        try:
            content: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
            found = content["identity"]
        except (OSError, RuntimeError, EOFError, KeyError, TypeError, pickle.UnpicklingError) as error:
            raise ResumeError(f"{path} is no state of a training run ({error}); delete it to begin anew.") from error
        if found != self.identity:
            raise ResumeError(f"{path} belongs to a run with other settings, pictures or weights; name another file.")
        self.network.load_state_dict(content["network"])
        self.average.load_state_dict(content["average"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.step, self.seconds = content["step"], content["seconds"]
        self.validation = [(int(step), float(psnr)) for step, psnr in content["validation"]]


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, decay: float, step: int) -> None:
    """Move a weight average towards the network: ``a <- d a + (1 - d) w``, with ``d = min(decay, (1 + n) / (10 + n))``.

    The smaller decay of the first steps lets go of the random weights; n counts steps from 0.
    """
    weight = 1.0 - min(decay, (1.0 + step) / (10.0 + step))
    for ours, theirs in zip(average.parameters(), network.parameters(), strict=True):
        ours.lerp_(theirs, weight)
