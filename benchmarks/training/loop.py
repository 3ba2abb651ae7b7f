"""Training by L1 with Adam, for so many steps or until a deadline; validated on held-out tiles only."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import torch
from torch import nn
from torch.nn.functional import l1_loss

from intaglio.arch import SRNetwork
from intaglio.errors import CalibrationError
from intaglio.evaluate import psnr_y
from intaglio.evaluate.torch_upscaler import TorchUpscaler
from intaglio.images import downscale
from intaglio.progress import Progress

from .crops import Crops
from .pictures import Tiles
from .settings import Settings
from .state import Run, follow

CHECK_LOSS_EVERY = 50
"""Steps between two looks at the loss: reading it waits for the device."""


@dataclass(frozen=True)
class Rhythm:
    """When a run stops, validates and saves. `deadline` is a time of `clock` in seconds; the rest counts steps."""

    deadline: float = float("inf")
    validate_every: int = 5000
    save_every: int = 2000
    clock: Callable[[], float] = time.monotonic


def begin(network: SRNetwork, settings: Settings, identity: str, device: torch.device) -> Run:
    """A run at step 0 on a device."""
    network = network.to(device).train()
    average = copy.deepcopy(network).eval().requires_grad_(False)
    rate = settings.rate(0)
    optimizer = torch.optim.Adam(network.parameters(), lr=rate, betas=(0.9, 0.99), fused=device.type == "cuda")
    return Run(identity, network, average, optimizer)


def train(
    run: Run,
    settings: Settings,
    crops: Crops,
    held_out: Tiles,
    rhythm: Rhythm,
    state: Path,
    progress: Progress,
    compiled: Callable[[nn.Module], Callable[..., torch.Tensor]] = lambda network: network,
) -> None:
    """Go on with a run until its last step or the deadline, and save it to `state`.

    A run that is stopped and resumed equals an uninterrupted one, bit for bit where the device is deterministic (CPU).
    `compiled` wraps the network for speed. Arithmetic of the network is bfloat16 on CUDA, float32 elsewhere; weights,
    loss and optimizer are float32 everywhere.

    Raises: CalibrationError if the loss is not finite (remedy: a smaller learning rate); OutputError.
    """
    forward = compiled(run.network)
    with progress.stage("training", settings.steps - run.step) as advance:
        while run.step < settings.steps and rhythm.clock() < rhythm.deadline:
            began = rhythm.clock()
            loss = _step(run, settings, crops, forward)
            run.step += 1
            run.seconds += rhythm.clock() - began
            advance(_checked(loss, run.step) if run.step % CHECK_LOSS_EVERY == 0 else "")
            if run.step % rhythm.validate_every == 0 and run.step < settings.steps:
                run.validation.append((run.step, validate(run.average, held_out, settings.scale, crops.device)))
            if run.step % rhythm.save_every == 0:
                run.save(state)
    if run.step == settings.steps and (not run.validation or run.validation[-1][0] != run.step):
        run.validation.append((run.step, validate(run.average, held_out, settings.scale, crops.device)))
    run.save(state)


def _step(run: Run, settings: Settings, crops: Crops, forward: Callable[..., torch.Tensor]) -> torch.Tensor:
    for group in run.optimizer.param_groups:
        group["lr"] = settings.rate(run.step)
    lr, hr = crops.gather(crops.draw(settings.batch, settings.seed, run.step))
    with _arithmetic(crops.device):
        sr = forward(lr)
    loss = l1_loss(sr.float(), hr)
    run.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    run.optimizer.step()
    follow(run.average, run.network, settings.average, run.step)
    return loss.detach()


def _arithmetic(device: torch.device) -> AbstractContextManager[object]:
    return torch.autocast("cuda", dtype=torch.bfloat16) if device.type == "cuda" else nullcontext()


def _checked(loss: torch.Tensor, step: int) -> str:
    value = float(loss)
    if not torch.isfinite(loss):
        raise CalibrationError(f"the loss at step {step} is {value}; choose a smaller learning rate.")
    return f"L1 {255.0 * value:.2f} levels"


def validate(network: nn.Module, held_out: Tiles, scale: int, device: torch.device) -> float:
    """Mean PSNR-Y in dB over held-out tiles, by the project's protocol (8-bit output, `scale` pixels cropped).

    No training tile and no test set is looked at. Raises: CalibrationError without held-out tiles.
    """
    if not len(held_out):
        raise CalibrationError("there are no held-out tiles to validate on; prepare the pictures with some.")
    upscaler = TorchUpscaler(network, scale, str(device))
    return fmean(psnr_y(upscaler(downscale(tile, scale)), tile, scale) for tile in held_out)
