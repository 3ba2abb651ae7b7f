"""Running a method: from a float network and calibration pictures to a calibrated quantized model."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from intaglio import ranks
from intaglio.methods.base import Job, Method
from intaglio.observe import CalibrationSet
from intaglio.progress import Progress, Silent
from intaglio.quant import QuantModel, wrap
from intaglio.spec import QuantSpec


def _decided(model: QuantModel) -> Iterator[Tensor]:
    """What steps edit, in an order that all processes have."""
    yield from model.network.parameters()
    yield from (one for one in model.network.buffers() if one.is_floating_point())


@dataclass(frozen=True)
class Quantized:
    """A calibrated model, how long it took in seconds, and what the steps reported."""

    model: QuantModel
    seconds: float
    metrics: dict[str, float]


def quantize(
    network: nn.Module,
    spec: QuantSpec,
    method: Method,
    calibration: CalibrationSet,
    *,
    seed: int = 0,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
    device: torch.device | None = None,
) -> Quantized:
    """Wrap a float network and let a method choose every quantizer. The network itself is left as it is.

    Deterministic: same machine, seed, network and pictures give the same bounds, interrupted or not (with
    `checkpoint`). Everything is computed on `device` (None: where the network is); the model comes back to where the
    network is.

    Raises: CalibrationError if a site ends without a quantizer or statistics are not finite.
    """
    began = time.perf_counter()
    model = wrap(network, spec)
    home = model.device
    teacher = network.eval()
    if device is not None and device != home:
        teacher, model = copy.deepcopy(teacher).to(device), model.to(device)
    metrics: dict[str, float] = {}
    job = Job(model, teacher, calibration, seed, progress or Silent(), checkpoint, metrics)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for step in method.steps():
            step(job)
            ranks.agree(_decided(model))
    model.require_calibrated()
    return Quantized(model.to(home), time.perf_counter() - began, metrics)
