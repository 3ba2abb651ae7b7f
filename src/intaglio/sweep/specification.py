"""Sweep files: a grid of methods, widths, networks, calibrations and seeds, strictly read from TOML.

Folders are not in the file: the same file serves every machine. Turning a file into cells is `plan.py`.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from intaglio.errors import RecipeError
from intaglio.spec import Coverage, Granularity

Scalar = bool | int | float | str


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NetworkTable(_Table):
    """``[[networks]]``: a float checkpoint, looked for below the folder of checkpoints."""

    name: str
    """As it stands in records and tables, with the scale."""
    checkpoint: str


class CalibrationTable(_Table):
    """``[calibrations.NAME]``: a folder of LR pictures below the folder of calibration sets, or drawn pictures."""

    folder: str | None = None
    """Name of the folder; without one, pictures are drawn."""
    hold_out: int = Field(default=0, ge=0)
    """How many pictures of the folder, the last by name, are left aside."""
    count: int = Field(default=32, ge=1)
    """How many pictures are drawn."""
    size: int = Field(default=128, ge=8)
    """Side of a drawn picture in pixels."""
    seed: int = Field(default=0, ge=0)
    """Seed of drawn pictures."""


class GridTable(_Table):
    """``[[grid]]``: the product of all its lists. A setting that is a list is one more axis.

    `bits` are one width for both, or ``[weights, activations]``. `networks` and `calibrations` are all of the file's
    where they are left out. ``float`` and ``bicubic`` are methods here that need no width and no calibration.
    """

    methods: tuple[str, ...]
    networks: tuple[str, ...] | None = None
    bits: tuple[int | tuple[int, int], ...] = (4,)
    calibrations: tuple[str, ...] | None = None
    seeds: tuple[int, ...] = (0,)
    coverages: tuple[Coverage, ...] = (Coverage.PAPER,)
    granularities: tuple[Granularity, ...] = (Granularity.PER_TENSOR,)
    share_input: tuple[bool, ...] = (False,)
    settings: dict[str, Scalar | tuple[Scalar, ...]] = Field(default_factory=dict)


class SweepFile(_Table):
    """A whole sweep. Every cell is evaluated on all `datasets`."""

    networks: tuple[NetworkTable, ...]
    datasets: tuple[str, ...]
    grid: tuple[GridTable, ...]
    calibrations: dict[str, CalibrationTable] = Field(default_factory=lambda: {"synthetic": CalibrationTable()})

    @model_validator(mode="after")
    def _names_are_known(self) -> SweepFile:
        networks = {network.name for network in self.networks}
        for grid in self.grid:
            for kind, asked, known in (
                ("network", grid.networks, networks),
                ("calibration", grid.calibrations, set(self.calibrations)),
            ):
                for name in set(asked or ()) - known:
                    raise ValueError(f"no {kind} is called {name!r}; the file names {', '.join(sorted(known))}")
        if not (self.networks and self.datasets and self.grid):
            raise ValueError("networks, datasets and grid must each name at least one thing")
        return self


def read_sweep(path: Path) -> SweepFile:
    """The sweep of a TOML file.

    Raises: RecipeError for a missing or damaged file, an unknown key or name, or a wrong value (each with its place).
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"cannot read the sweep {path} ({error}); check the path.") from error
    return parse_sweep(text, str(path))


def parse_sweep(text: str, source: str) -> SweepFile:
    """The sweep of a TOML text; `source` names its origin in messages. Raises: RecipeError.

    >>> parse_sweep('datasets = ["Set5"]', "my.toml")
    Traceback (most recent call last):
    intaglio.errors.RecipeError: my.toml: 'networks': field required.
    """
    try:
        return SweepFile.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{source} is no TOML ({error}); correct it there.") from error
    except ValidationError as error:
        raise RecipeError(f"{source}: {_reason(error)}.") from None


def _reason(error: ValidationError) -> str:
    first = error.errors()[0]
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        message = "unknown key"
    place = ".".join(str(part) for part in first["loc"])
    return (f"{place!r}: " if place else "") + message[0].lower() + message[1:]
