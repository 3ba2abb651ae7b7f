"""Options of commands that read float checkpoints: which of two sets of weights, and what no tensor tells."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from intaglio.spec import Weights

WeightsOption = Annotated[
    Weights | None,
    typer.Option("--weights", help="Weights to take where a checkpoint has two sets; default ema, the averaged ones."),
]

TrainingOption = Annotated[
    Path | None,
    typer.Option("--option", metavar="TRAIN.yml", help="Training options of the checkpoint, a YAML file of BasicSR."),
]
