"""Running one cell in this process: quantize, lower, measure, and say so in Records.

Which cells, in which process and how many at once is decided in `run.py` and `pool.py`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from intaglio._system import peak_memory
from intaglio.app.devices import CPU, device_of
from intaglio.app.quantizing import Recipe, left_float, quantize, save
from intaglio.arch import SRNetwork, load
from intaglio.errors import CheckpointError, EngineError
from intaglio.evaluate import BicubicUpscaler, Evaluation, Record, Upscaler, evaluate, load_dataset
from intaglio.evaluate.metrics import finite_psnr
from intaglio.evaluate.torch_upscaler import TorchUpscaler
from intaglio.lower import simulator
from intaglio.progress import Progress
from intaglio.provenance import file_sha256
from intaglio.quant import QuantModel
from intaglio.runtime.engine import Engine
from intaglio.spec import Coverage, Granularity, QuantSpec
from intaglio.sweep.cell import BICUBIC, Cell
from intaglio.sweep.plan import open_pictures

STATE = "distillation.pt"
"""Name of a distillation's state in the folder of its cell."""


@dataclass(frozen=True)
class Subject:
    """What is measured: an upscaler, what runs it, and what is known of its making. Units: `bytes` on disk."""

    upscaler: Upscaler
    engine: str
    bytes: int | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)


def run_cell(
    cell: Cell,
    datasets: tuple[str, ...],
    data: Path,
    folder: Path,
    threads: int,
    progress: Progress,
    device: str = "cpu",
) -> list[Record]:
    """Quantize as the cell says and measure on `datasets`; one record each.

    A distillation keeps its state in `folder` and goes on from it. A quantized network runs in the native integer
    engine where it can be lowered, else as the simulator; ``extra.engine`` says which, ``extra.simulated_because``
    why.

    Raises: IntaglioError of any kind, with its remedy; CheckpointError or CalibrationError if inputs changed since
    planning.
    """
    subject = _subject(cell, folder, threads, progress, device_of(device))
    records = []
    for name in datasets:
        evaluation = evaluate(subject.upscaler, load_dataset(data, name, cell.weights.scale), progress=progress)
        records.append(_record(cell, subject, evaluation, threads))
    return records


def _subject(cell: Cell, folder: Path, threads: int, progress: Progress, device: torch.device) -> Subject:
    if cell.method == BICUBIC:
        return Subject(BicubicUpscaler(cell.weights.scale), "numpy")
    if file_sha256(cell.weights.path) != cell.weights.sha256:
        raise CheckpointError(f"{cell.weights.path} changed since the sweep was planned; start it again.")
    network = load(cell.weights.path)
    if not cell.quantizes:
        return Subject(TorchUpscaler(network, network.scale, str(device)), f"torch float32{_on(device)}")
    return _quantized(cell, network, folder, threads, progress, device)


def _on(device: torch.device) -> str:
    return "" if device == CPU else f" on {device}"


def _quantized(
    cell: Cell, network: SRNetwork, folder: Path, threads: int, progress: Progress, device: torch.device
) -> Subject:
    recipe, pictures = recipe_of(cell), cell.pictures
    assert pictures is not None, "a cell that quantizes has calibration pictures"
    calibration = open_pictures(pictures)
    state = folder / STATE
    resumed, started = state.exists(), time.process_time()
    # One check for each cell would cost more than it tells: the methods' tests hold programs against simulators.
    made = quantize(network, recipe, calibration, checked=False, progress=progress, checkpoint=state, device=device)
    # Of a resumed run the time is that of its last part only: no basis for estimates, and nothing to publish.
    # Workers share the machine, so that only the time on processors can be compared between cells.
    spent = {"quantize_seconds": made.seconds, "quantize_cpu_seconds": time.process_time() - started}
    metrics = {**made.metrics, **left_float(made.model), **({"resumed": True} if resumed else spent)}
    metrics |= {} if device == CPU else {"device": str(device)}
    if made.program is None:
        return _simulated(made.model, network.scale, recipe, None, metrics | {"simulated_because": made.obstacle})
    packed = folder / "model.intaglio"
    size = save(made, packed, source_sha256=cell.weights.sha256)
    packed.unlink()
    try:
        engine = Engine(made.program, backend="native", threads=threads)
    except EngineError as error:
        return _simulated(made.model, network.scale, recipe, size, metrics | {"simulated_because": str(error)})
    return Subject(engine, engine.backend, size, metrics)


def _simulated(model: QuantModel, scale: int, recipe: Recipe, size: int | None, metrics: Mapping[str, Any]) -> Subject:
    return Subject(TorchUpscaler(simulator(model, recipe.float_dtype), scale), "simulator", size, metrics)


def recipe_of(cell: Cell) -> Recipe:
    """The recipe by which `intaglio.app.quantizing` quantizes a cell."""
    assert cell.weight_bits is not None
    assert cell.act_bits is not None
    spec = QuantSpec(
        cell.weight_bits,
        cell.act_bits,
        Coverage(cell.coverage or Coverage.PAPER),
        Granularity(cell.granularity or Granularity.PER_TENSOR),
        cell.share_input,
    )
    return Recipe(spec, cell.method, dict(cell.settings), cell.seed or 0)


def _record(cell: Cell, subject: Subject, evaluation: Evaluation, threads: int) -> Record:
    return cell.record(
        evaluation.dataset,
        psnr_y=finite_psnr(evaluation.psnr_y),
        ssim_y=evaluation.ssim_y,
        per_image={score.name: (finite_psnr(score.psnr_y), score.ssim_y) for score in evaluation.scores},
        bytes=subject.bytes,
        seconds=evaluation.seconds,
        extra={
            "cell": cell.content_hash,
            "engine": subject.engine,
            "threads": threads,
            "peak_bytes": peak_memory(),
            **subject.metrics,
        },
    )
