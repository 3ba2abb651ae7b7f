"""What comes out of a training run: half-precision weights under published names, and a Record."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import safetensors.torch
import torch

from intaglio._atomic import write_bytes_atomic
from intaglio.evaluate import Record
from intaglio.provenance import file_sha256

from .pictures import TileSet
from .settings import Settings
from .state import Run


def save_weights(run: Run, settings: Settings, path: Path) -> None:
    """Write the averaged weights in half precision; `intaglio.arch.load` reads them.

    Names are the official ones of SwinIR and BasicSR's of EDSR, as in `intaglio.arch`. Raises: OutputError.
    """
    tensors = {name: tensor.half().cpu().contiguous() for name, tensor in run.average.state_dict().items()}
    about = {"network": settings.network, "scale": str(settings.scale), "steps": str(run.step)}
    write_bytes_atomic(path, safetensors.torch.save(tensors, metadata=about))


def record_of(run: Run, settings: Settings, tiles: TileSet, weights: Path, device: torch.device) -> Record:
    """The record of a run whose weights were written; PSNR-Y is the last validation of the averaged weights."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return Record(
        kind="training",
        network=settings.network,
        scale=settings.scale,
        method="float",
        weights_sha256=file_sha256(weights),
        steps=run.step,
        seed=settings.seed,
        settings={**asdict(settings), "pictures_sha256": tiles.sha256},
        dataset=f"held-out tiles, {len(tiles.held_out)} of {tiles.side} px",
        psnr_y=run.validation[-1][1] if run.validation else None,
        bytes=weights.stat().st_size,
        seconds=run.seconds,
        extra={
            "validation": [list(pair) for pair in run.validation],
            "training_tiles": len(tiles.train),
            "device": name,
        },
    )
