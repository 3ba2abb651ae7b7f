"""What a quantization method is: frozen hyper-parameters and a tuple of steps that edit a quantized model.

Steps that several methods share are in `steps/`; running them is in `run.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn

from intaglio.observe import CalibrationSet
from intaglio.progress import Progress
from intaglio.quant import QuantModel


@dataclass(frozen=True)
class Job:
    """Everything a step may use: the model it edits, the float original, the pictures, the seed.

    `checkpoint` is where a long step keeps its state, or None. `metrics` collects what steps want to tell (losses,
    counts): a step adds keys of its own, documented at the step.
    """

    model: QuantModel
    teacher: nn.Module
    calibration: CalibrationSet
    seed: int
    progress: Progress
    checkpoint: Path | None
    metrics: dict[str, float]

    def patches(self, count: int, size: int, seed: int) -> Float[Tensor, "count 3 size size"]:
        """Crops of the calibration pictures (see `CalibrationSet.patches`), where the model is."""
        return self.calibration.patches(count, size, seed).to(self.model.device)


@runtime_checkable
class Step(Protocol):
    """One part of a method."""

    def __call__(self, job: Job) -> None:
        """Edit ``job.model``; deterministic in the job's seed."""
        ...


@runtime_checkable
class Method(Protocol):
    """A published or own way to choose every quantizer of a model.

    Implementations are frozen dataclasses whose fields are the paper's hyper-parameters with the paper's values.
    """

    def steps(self) -> tuple[Step, ...]:
        """What is done, in order."""
        ...
