"""A paper's table as data: its grid, its rows, where its networks are published. Adding one is adding a TOML file.

Running a table is `intaglio.sweep.reproduce`; the results themselves are read by `rows.py`.
"""

from __future__ import annotations

import tomllib
from importlib.resources import files

from pydantic import BaseModel, ConfigDict, Field

from intaglio.errors import RecipeError
from intaglio.published.rows import FLOAT, Published, published_rows, rows_of
from intaglio.spec import Coverage

Scalar = bool | int | float | str

_FOLDER = files(__package__).joinpath("tables")


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PaperCheckpoint(_Table):
    """The float network of one scale. `sha256` None: its authors print none and it is not recorded here."""

    scale: int
    file: str
    origin: str
    sha256: str | None = None


class PaperRow(_Table):
    """A row: our method with its settings, and what tells the paper's results among the published ones.

    `published` maps columns to their values; `note` need only be contained.
    """

    label: str
    method: str
    published: dict[str, str]
    settings: dict[str, Scalar] = Field(default_factory=dict)


class PaperTable(_Table):
    """A whole table. `network` names it among the published results, `label` in our records."""

    title: str
    results: str
    network: str
    label: str
    coverage: Coverage
    scales: tuple[int, ...]
    bits: tuple[int, ...]
    datasets: tuple[str, ...]
    checkpoints: tuple[PaperCheckpoint, ...]
    rows: tuple[PaperRow, ...]
    notes: tuple[str, ...] = ()

    def checkpoint(self, scale: int) -> PaperCheckpoint:
        """The published network of a scale of the table."""
        return next(one for one in self.checkpoints if one.scale == scale)

    def published(self, row: PaperRow, scale: int, bits: int, dataset: str) -> Published | None:
        """What the paper prints in a cell; None where it prints nothing."""
        return _first(rows_of(self.results), self.network, scale, bits, dataset, row.published)

    def published_float(self, scale: int, dataset: str) -> Published | None:
        """What is published of the float network."""
        return _first(published_rows(), self.network, scale, 32, dataset, {"method": FLOAT})


def _first(
    rows: tuple[Published, ...], network: str, scale: int, bits: int, dataset: str, columns: dict[str, str]
) -> Published | None:
    for row in rows:
        place = (row.network, row.scale, row.weight_bits, row.act_bits, row.dataset)
        if place == (network, scale, bits, bits, dataset) and _has(row, columns):
            return row
    return None


def _has(row: Published, columns: dict[str, str]) -> bool:
    values = {column: str(getattr(row, column)) for column in columns}
    return all(text in values[name] if name == "note" else text == values[name] for name, text in columns.items())


def table_names() -> tuple[str, ...]:
    """The tables that can be reproduced.

    >>> table_names()
    ('2dquant-table3', '2dquant-table4', 'condiquant-table3', 'oaq-table')
    """
    return tuple(
        sorted(entry.name.removesuffix(".toml") for entry in _FOLDER.iterdir() if entry.name.endswith(".toml"))
    )


def load_table(name: str) -> PaperTable:
    """A table by its name. Raises: RecipeError for an unknown one (the message lists the known)."""
    if name not in table_names():
        raise RecipeError(f"no table is called {name!r}; there are {', '.join(table_names())}.")
    return PaperTable.model_validate(tomllib.loads(_FOLDER.joinpath(f"{name}.toml").read_text(encoding="utf-8")))
