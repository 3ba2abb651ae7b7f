"""Reading the published results: one row per network, scale, method, widths and test set.

Comparing them with ours is the business of `intaglio.sweep` and `intaglio.results`.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files

from intaglio.errors import RecordError

FLOAT = "FP"
"""How the tables call the float network."""

_FILES = {"sr_ptq": "sr_ptq.csv", "ablations_2dquant": "ablations_2dquant.csv"}


@dataclass(frozen=True)
class Published:
    """A result as a paper prints it.

    `weight_bits` is None where it is not stated; `act_bits` may be an average, such as 4.6. Units: `psnr` dB on Y.
    Rows of ablations name the `table`, its `factor` and the `setting`, and no method; the others name a `method`.
    """

    network: str
    scale: int
    method: str
    weight_bits: int | None
    act_bits: float | None
    dataset: str
    psnr: float
    ssim: float | None
    source: str
    note: str
    table: str = ""
    factor: str = ""
    setting: str = ""


def published_rows() -> tuple[Published, ...]:
    """Tables of post-training and quantization-aware methods; the first word of `note` is the track.

    >>> rows = [row for row in published_rows() if row.method == "2DQuant" and row.dataset == "Set5" and row.scale == 4]
    >>> [(row.weight_bits, row.psnr) for row in rows]
    [(4, 31.77), (3, 30.9), (2, 29.53)]
    """
    return rows_of("sr_ptq")


def ablation_rows() -> tuple[Published, ...]:
    """Table 4 of 2DQuant: learning rate (4a), batch size (4b), stages (4c).

    >>> [row.psnr for row in ablation_rows() if row.table == "4c"]
    [34.39, 37.44, 37.32, 37.87]
    """
    return rows_of("ablations_2dquant")


@cache
def rows_of(name: str) -> tuple[Published, ...]:
    """The rows of one of the shipped files by its stem.

    Raises: RecordError for an unknown name (the message lists the known ones) or a damaged installation.
    """
    if name not in _FILES:
        raise RecordError(f"no published results are called {name!r}; there are {', '.join(_FILES)}.")
    text = files(__package__).joinpath(_FILES[name]).read_text(encoding="utf-8")
    return tuple(_row(line, name) for line in csv.DictReader(text.splitlines()))


def _row(line: dict[str, str], name: str) -> Published:
    known = {field.name for field in fields(Published)}
    text = {key: value for key, value in line.items() if key in known}
    try:
        return Published(
            **{"method": "", **text}  # type: ignore[arg-type]
            | {
                "scale": int(line["scale"]),
                "weight_bits": int(line["weight_bits"]) if line["weight_bits"] else None,
                "act_bits": float(line["act_bits"]) if line["act_bits"] else None,
                "psnr": float(line["psnr"]),
                "ssim": float(line["ssim"]) if line["ssim"] else None,
            }
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RecordError(f"the published results {name} are damaged ({error}); reinstall the package.") from error
