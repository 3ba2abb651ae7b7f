"""How long a quantization will take on this machine, said before it starts: from a timed pass of the float network."""

from __future__ import annotations

import copy
import time
from dataclasses import asdict

import torch
from torch import nn

from intaglio.app.devices import CPU
from intaglio.evaluate import learning_steps
from intaglio.methods import make_method

STEP_PASSES = 4.0
"""A step of learning in float forward passes on its batch: the student's forward and backward, and the teacher."""

FITTING_PASSES = 15.0
"""Everything else in float forward passes on the crops that bounds are fitted on: passes, searches, judging."""

LEAST_SECONDS = 1.0


def expected_seconds(
    network: nn.Module, channels: int, method: str, settings: dict[str, object], device: torch.device = CPU
) -> float:
    """Wall clock in seconds, right to a factor of about two; costs two passes of the float network on a crop.

    `channels` are those of the network's pictures; `device` is where it will be quantized.
    Raises: MethodError for an unknown method or setting.
    """
    resolved = asdict(make_method(method, settings))  # type: ignore[call-overload]
    side = int(resolved.get("crop_size", resolved.get("patch_size", 64)))
    batch = int(resolved.get("batch", 1))
    crop = torch.full((1, channels, side, side), 0.5).to(device)
    there = network if device == CPU else copy.deepcopy(network).to(device)
    with torch.no_grad():
        there(crop).sum().item()  # the first pass allocates; a device is done when its number is here
        began = time.perf_counter()
        there(crop).sum().item()
        seconds = time.perf_counter() - began
    fitted = int(resolved.get("patches", 0)) * (int(resolved.get("patch_size", side)) / side) ** 2
    steps = learning_steps(resolved) or 0
    return LEAST_SECONDS + seconds * (STEP_PASSES * steps * batch + FITTING_PASSES * fitted)
