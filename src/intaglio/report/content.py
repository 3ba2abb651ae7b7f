"""What a report says, as values; how it looks is `page.py` and its template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Int64

from intaglio.evaluate.artifacts import Verdict
from intaglio.report.compare import Views
from intaglio.spec import SiteName

Role = Literal["bicubic", "float", "quantized", "record"]


@dataclass(frozen=True)
class Row:
    """One line of the headline table and one point of the plots; None is "not known" or "does not apply".

    `series` joins points by a line (a method), `bits` labels a point on it. Units: dB, bytes on disk, milliseconds
    of wall clock a picture.
    """

    label: str
    role: Role
    psnr_y: float | None
    ssim_y: float | None
    bytes: int | None = None
    milliseconds: float | None = None
    series: str = ""
    bits: str = ""
    runs_on: str = ""


@dataclass(frozen=True)
class SiteLine:
    """One site of the model. `alone_psnr` is in dB: the output with only this site quantized, against float.

    `codes` are those in use, evenly from `lower` to `upper`. `clipped` is the share of the site's values outside its
    bounds. It and `alone_psnr` are None where no float network was at hand.
    """

    name: SiteName
    codes: tuple[int, ...]
    lower: float
    upper: float
    bytes: int
    alone_psnr: float | None = None
    clipped: float | None = None

    @property
    def bits(self) -> int:
        """Width of a code that counts the levels in use."""
        return (len(self.codes) - 1).bit_length()

    @property
    def is_weight(self) -> bool:
        """Whether the site is a weight, not an activation."""
        return self.name.endswith(":weight")


@dataclass(frozen=True)
class Distribution:
    """The histogram of one site's float values: `counts` in equal bins from `low` to `high`, in the site's units."""

    site: SiteLine
    counts: Int64[np.ndarray, " bins"]
    low: float
    high: float


@dataclass(frozen=True)
class Facts:
    """A titled list of names and values: the protocol, the machine, the recipe."""

    title: str
    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Content:
    """Everything on the page; empty parts are left out of it.

    `setting` says in one line what was measured on what. `notes` says what is missing and how to have it.
    """

    title: str
    setting: str
    rows: tuple[Row, ...]
    facts: tuple[Facts, ...]
    verdict: Verdict | None = None
    views: Views | None = None
    sites: tuple[SiteLine, ...] = ()
    distributions: tuple[Distribution, ...] = ()
    notes: tuple[str, ...] = ()

    def row(self, role: Role) -> Row | None:
        """The first row of a role."""
        return next((row for row in self.rows if row.role == role), None)
