"""Options of commands that read float checkpoints: which of two sets of weights, and what no tensor tells."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from intaglio.spec import Weights

WeightsOption = Annotated[
    Weights | None,
    typer.Option("--weights", help="Which of two sets in a checkpoint; default ema, averaged, where it is there."),
]

TrainingOption = Annotated[
    Path | None,
    typer.Option("--option", metavar="TRAIN.yml", help="Options that the checkpoint was trained by (BasicSR)."),
]
