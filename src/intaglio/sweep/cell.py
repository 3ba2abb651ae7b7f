"""A cell of a sweep: one frozen, fully resolved configuration, known by the hash of its content.

Making cells from a file is `plan.py`, running one is `execute.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from intaglio.evaluate import Calibration, Machine, Record, learning_steps

FLOAT = "float"
BICUBIC = "bicubic"
REFERENCES = (FLOAT, BICUBIC)
"""Methods that quantize nothing: the rows that losses are held against."""

_NOWHERE = Machine("", 0, ())


@dataclass(frozen=True)
class Weights:
    """A float checkpoint and what was read off it. Units: `parameters` counts numbers; `sha256` is of the file's
    bytes."""

    network: str
    path: Path
    sha256: str
    scale: int
    parameters: int


@dataclass(frozen=True)
class Pictures:
    """Where calibration pictures come from, and the identity of their content.

    `folder` None means drawn pictures (`count`, `size`, `seed`). `label` is the name that records carry.
    """

    label: str
    content: Calibration
    folder: Path | None
    hold_out: int
    count: int
    size: int
    seed: int


@dataclass(frozen=True)
class Cell:
    """What is quantized, how, and on which test sets it is measured.

    `settings` holds every hyper-parameter of the method, defaults written out, so that a cell does not change its
    meaning when a default does. Paths are where things lie now and no part of what the cell is.
    """

    weights: Weights
    method: str
    datasets: tuple[str, ...]
    weight_bits: int | None = None
    act_bits: int | None = None
    coverage: str | None = None
    granularity: str | None = None
    share_input: bool = False
    pictures: Pictures | None = None
    seed: int | None = None
    settings: tuple[tuple[str, Any], ...] = ()

    @property
    def quantizes(self) -> bool:
        """Whether there is anything to quantize: not so for the float network and bicubic."""
        return self.method not in REFERENCES

    @property
    def steps(self) -> int | None:
        """Learning steps; None for a cell that quantizes nothing."""
        return learning_steps(dict(self.settings)) if self.quantizes else None

    @property
    def label(self) -> str:
        """One line for people: network, method, widths, calibration and what else tells it from its neighbours."""
        if not self.quantizes:
            return f"{self.weights.network} {self.method}"
        pictures = self.pictures.label if self.pictures else ""
        return f"{self.weights.network} {self.method} w{self.weight_bits}a{self.act_bits} {pictures} seed {self.seed}"

    def record(self, dataset: str, **measured: Any) -> Record:
        """The record of this cell on one test set: what was asked for, and `measured` fields."""
        return Record(
            kind="accuracy",
            network=self.weights.network,
            scale=self.weights.scale,
            method=self.method,
            weights_sha256=None if self.method == BICUBIC else self.weights.sha256,
            weight_bits=self.weight_bits,
            act_bits=self.act_bits,
            coverage=self.coverage,
            granularity=self.granularity,
            calibration=None if self.pictures is None else replace(self.pictures.content, name=self.pictures.label),
            steps=self.steps,
            seed=self.seed,
            settings=self._record_settings(),
            dataset=dataset,
            **measured,
        )

    def key(self, dataset: str) -> str:
        """Key of the record on one test set, without measuring anything: see `Record.key`."""
        # What it would be measured with is no part of the key, and costs time to find out.
        return self.record(dataset, versions={}, machine=_NOWHERE).key()

    @cached_property
    def content_hash(self) -> str:
        """16 hex digits over everything that determines the quantized network; test sets do not enter."""
        return self.key("")

    def _record_settings(self) -> Mapping[str, Any]:
        shared = {"share_input": True} if self.share_input else {}
        return dict(self.settings) | shared
