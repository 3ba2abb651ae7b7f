"""How long a cell will take and how much memory: from finished records where there are any, else from stated
assumptions.

An estimate decides how many cells run at once and what is shown as time left, never what is computed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median

from PIL import Image

from intaglio.errors import IntaglioError
from intaglio.evaluate import Record, load_dataset
from intaglio.sweep.cell import BICUBIC, Cell

RATE = 8e9
"""Multiply-adds a second of one thread in torch."""
PASSES = 6
"""What a distillation step costs in float forward passes: forward and backward, with as much again for fake
quantization."""
NATIVE_GAIN = 20
"""How much faster than float torch the native engine is taken to be."""
START_SECONDS = 5.0
"""Starting a process, reading pictures, fitting bounds."""
BASE_BYTES = 2 << 30
"""A process with torch that measures one picture."""
BYTES_PER_PRODUCT = 0.2
"""Memory kept for the backward pass, for each parameter and LR pixel of a batch."""

ASSUMPTIONS = (
    f"assumed where no finished record tells: one multiply-add per parameter and LR pixel, {RATE:.0e} a second and "
    f"thread; a distillation step costs {PASSES} forward passes; the integer engine is {NATIVE_GAIN} times as fast as "
    "float torch"
)


@dataclass(frozen=True)
class Estimate:
    """Wall clock in seconds and memory in bytes of a cell; `measured` unless some of the time is assumed."""

    seconds: float
    memory: int
    measured: bool


class Estimates:
    """Estimates from the finished records of the same networks; `data` is the folder of test sets."""

    def __init__(
        self,
        making: dict[tuple[str, ...], list[float]],
        measuring: dict[tuple[str, ...], list[float]],
        peaks: dict[tuple[str, ...], int],
        data: Path,
    ) -> None:
        self._making = making
        self._measuring = measuring
        self._peaks = peaks
        self._data = data

    @classmethod
    def from_records(cls, records: Iterable[Record], data: Path) -> Estimates:
        """What finished cells took: seconds of quantization per unit of work, seconds of evaluation, peak memory."""
        making: dict[tuple[str, ...], list[float]] = defaultdict(list)
        measuring: dict[tuple[str, ...], list[float]] = defaultdict(list)
        peaks: dict[tuple[str, ...], int] = defaultdict(int)
        for record in records:
            threads = str(record.extra.get("threads"))
            if record.seconds is not None and record.dataset:
                measuring[_kind(record.network, record.method), record.dataset, threads].append(record.seconds)
            if "quantize_seconds" in record.extra:
                work = _steps_work(record.steps, record.settings)
                making[record.network, record.method, threads].append(record.extra["quantize_seconds"] / work)
            if "peak_bytes" in record.extra:
                key = (record.network, record.method, str(_batch_pixels(record.settings)))
                peaks[key] = max(peaks[key], int(record.extra["peak_bytes"]))
        return cls(making, measuring, peaks, data)

    def cell(self, cell: Cell, datasets: Sequence[str], threads: int) -> Estimate:
        """What quantizing a cell and measuring it on `datasets` will take."""
        settings = dict(cell.settings)
        seconds, measured = START_SECONDS, True
        if cell.quantizes:
            known = self._making.get((cell.weights.network, cell.method, str(threads)))
            work = _steps_work(cell.steps, settings)
            measured = bool(known)
            seconds += work * median(known) if known else _assumed_making(cell, threads)
        for name in datasets:
            kind = _kind(cell.weights.network, cell.method)
            known = self._measuring.get((kind, name, str(threads)))
            measured = measured and bool(known)
            seconds += median(known) if known else self._assumed_measuring(cell, name, threads)
        return Estimate(seconds, self._memory(cell), measured)

    def _memory(self, cell: Cell) -> int:
        pixels = _batch_pixels(dict(cell.settings))
        known = self._peaks.get((cell.weights.network, cell.method, str(pixels)))
        return known or BASE_BYTES + int(BYTES_PER_PRODUCT * cell.weights.parameters * pixels)

    def _assumed_measuring(self, cell: Cell, name: str, threads: int) -> float:
        pixels = lr_pixels(self._data, name, cell.weights.scale)
        gain = NATIVE_GAIN if cell.quantizes else 1
        return 0.0 if cell.method == BICUBIC else cell.weights.parameters * pixels / (RATE * threads * gain)


def _assumed_making(cell: Cell, threads: int) -> float:
    settings = dict(cell.settings)
    pixels = PASSES * (cell.steps or 0) * _batch_pixels(settings)
    pixels += int(settings.get("pool", 0)) * int(settings.get("patch_size", 0)) ** 2
    return cell.weights.parameters * pixels / (RATE * threads)


def _steps_work(steps: int | None, settings: object) -> int:
    """Distillation steps times the pixels of a batch; 1 where nothing is distilled."""
    return max(1, (steps or 0) * _batch_pixels(settings))


def _batch_pixels(settings: object) -> int:
    assert isinstance(settings, dict)
    return int(settings.get("batch", 0)) * int(settings.get("patch_size", 0)) ** 2


def _kind(network: str, method: str) -> str:
    """Networks measure alike whatever quantized them."""
    return f"{network} {method if method in ('float', 'bicubic') else 'quantized'}"


@cache
def lr_pixels(data: Path, name: str, scale: int) -> int:
    """LR pixels of a test set, read off the headers of its pictures; 0 where it is not to be had."""
    try:
        files = load_dataset(data, name, scale).files
    except IntaglioError:
        return 0
    total = 0
    for path, _ in files:
        with Image.open(path) as picture:
            total += picture.width * picture.height // scale**2
    return total
