"""Results as data: one JSON object per line, each with all that is needed to measure it again.

Tables and plots read these; nothing is measured or formatted for people here.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from intaglio._atomic import PathLike, append_bytes
from intaglio.errors import RecordError
from intaglio.evaluate.machine import Machine, current_machine, current_versions
from intaglio.evaluate.protocol import PROTOCOL

Json = Any
"""What JSON can hold: str, int, finite float, bool, None, and lists and string-keyed dicts of these."""


@dataclass(frozen=True)
class Calibration:
    """The calibration set that was used. Units: `count` in pictures; `sha256` is of their content."""

    name: str
    sha256: str
    count: int


@dataclass(frozen=True)
class Record:
    """One measured number with its provenance. Keys in a file stand in the order of these fields.

    `None` means "does not apply" (a float network has no bits) or "not measured" (a size has no PSNR).

    Raises: RecordError for NaN or infinite numbers (remedy: look at the run, do not record it).
    """

    kind: str
    """What was measured: ``accuracy``, ``size``, ``speed``, ..."""
    network: str
    scale: int
    method: str
    """Registry name of the method, or ``float``, ``bicubic``."""
    weights_sha256: str | None = None
    weight_bits: int | None = None
    act_bits: int | None = None
    coverage: str | None = None
    granularity: str | None = None
    calibration: Calibration | None = None
    steps: int | None = None
    """Distillation iterations; 0 without any."""
    seed: int | None = None
    settings: Mapping[str, Json] = field(default_factory=dict)
    """Hyper-parameters that differ from the method's defaults, and anything else that tells cells apart."""
    dataset: str | None = None
    protocol: str | None = PROTOCOL
    psnr_y: float | None = None
    """Mean over pictures, in dB."""
    ssim_y: float | None = None
    per_image: Mapping[str, tuple[float, float]] | None = None
    """(PSNR-Y, SSIM-Y) of each picture by its name."""
    bytes: int | None = None
    """Size of the file on disk."""
    seconds: float | None = None
    extra: Mapping[str, Json] = field(default_factory=dict)
    """Anything measured beside; never part of the key."""
    versions: Mapping[str, str] = field(default_factory=current_versions)
    machine: Machine = field(default_factory=current_machine)
    created: str = field(default_factory=lambda: datetime.now(UTC).date().isoformat())
    """UTC date, YYYY-MM-DD."""

    def __post_init__(self) -> None:
        try:
            self.to_json()
        except (TypeError, ValueError) as error:
            raise RecordError(
                f"A record cannot hold this ({error}); look at the run instead of recording it."
            ) from error

    def to_json(self) -> str:
        """One line of JSON without its newline, keys in the order of the fields."""
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False, allow_nan=False, separators=(", ", ": "))

    @classmethod
    def from_json(cls, line: str) -> Record:
        """Inverse of `to_json`; keys that this version does not know are passed over.

        Raises: RecordError when the line is no JSON object, lacks a key, or holds a value of another type.
        """
        return _from_mapping(_parse_object(line))

    def key(self) -> str:
        """Same for two records of the same cell: 16 hex digits over all that was *asked for*, nothing that came out.

        Measurements, `extra`, `versions`, `machine` and `created` do not enter; compare `machine` where time matters.
        """
        asked = {name: value for name, value in dataclasses.asdict(self).items() if name in _KEY_FIELDS}
        text = json.dumps(asked, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


_KEY_FIELDS = (
    *("kind", "network", "weights_sha256", "scale", "method", "weight_bits", "act_bits", "coverage", "granularity"),
    *("calibration", "steps", "seed", "settings", "dataset", "protocol"),
)
_TYPES: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("kind", "network", "method", "created"), str),
    **dict.fromkeys(("weights_sha256", "coverage", "granularity", "dataset", "protocol"), (str, type(None))),
    **dict.fromkeys(("weight_bits", "act_bits", "steps", "seed", "bytes"), (int, type(None))),
    **dict.fromkeys(("psnr_y", "ssim_y", "seconds"), (int, float, type(None))),
    **dict.fromkeys(("settings", "extra", "versions", "machine"), dict),
    **dict.fromkeys(("calibration", "per_image"), (dict, type(None))),
    "scale": int,
}


def learning_steps(settings: Mapping[str, Any]) -> int:
    """Steps of a method that learns, from its settings, however it counts them; 0 where nothing is learned.

    >>> learning_steps({"epochs": 10, "updates": 50}), learning_steps({"iterations": 3000}), learning_steps({})
    (500, 3000, 0)
    """
    return int(settings.get("iterations", settings.get("epochs", 0) * settings.get("updates", 0)))


def append_records(path: PathLike, records: Iterable[Record]) -> None:
    """Append `records` to a JSONL file, all or none; several processes may append to the same file.

    Raises: OutputError when the file cannot be written.
    """
    append_bytes(path, "".join(record.to_json() + "\n" for record in records).encode())


def read_records(path: PathLike) -> list[Record]:
    """All records of a JSONL file in order; blank lines are passed over.

    Raises: RecordError naming the line, when the file is missing or a line is damaged or lacks a key.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"Cannot read the results in {path} ({error}); check the path.") from error
    records = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                records.append(Record.from_json(line))
            except RecordError as error:
                raise RecordError(f"{path}, line {number}: {error}") from error
    return records


def known_records(path: PathLike) -> list[Record]:
    """The records of a file that may not be there yet: none where it is missing. Raises: RecordError as `read_records`
    for a damaged line."""
    return read_records(path) if Path(path).exists() else []


def _parse_object(line: str) -> dict[str, Json]:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"no JSON ({error}); delete or mend the line.") from error
    if not isinstance(data, dict):
        raise RecordError("no JSON object; delete or mend the line.")
    return data


def _from_mapping(data: dict[str, Json]) -> Record:
    missing = [name for name in _TYPES if name not in data]
    if missing:
        raise RecordError(f"lacks {', '.join(missing)}; was it written by another version? Measure it again.")
    known = {name: data[name] for name in _TYPES}
    for name, expected in _TYPES.items():
        if not isinstance(known[name], expected) or isinstance(known[name], bool):
            raise RecordError(f"'{name}' is {known[name]!r}; mend the line.")
    try:
        sets = tuple(known["machine"]["instruction_sets"])
        known["machine"] = Machine(**known["machine"] | {"instruction_sets": sets})
        if known["calibration"] is not None:
            known["calibration"] = Calibration(**known["calibration"])
        for name in ("psnr_y", "ssim_y", "seconds"):
            known[name] = None if known[name] is None else float(known[name])
        if known["per_image"] is not None:
            known["per_image"] = {name: (float(psnr), float(ssim)) for name, (psnr, ssim) in known["per_image"].items()}
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise RecordError(f"a value has another form ({error}); mend the line.") from error
    return Record(**known)
