"""The verdict: each measure held against two limits, with the reason in words.

Where the limits come from is explained in ``docs/artifacts.md``; measuring is elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from intaglio.errors import SpecError
from intaglio.evaluate.artifacts.inspection import Artifacts


class Level(StrEnum):
    """How bad a finding is."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"

    @property
    def rank(self) -> int:
        """0 for pass, 1 for warn, 2 for fail."""
        return tuple(Level).index(self)


@dataclass(frozen=True)
class Limit:
    """From `warn` on a measure is worth a look, from `fail` on the picture is spoilt; larger is worse.

    Raises: SpecError unless ``warn <= fail`` (remedy: exchange them).
    """

    warn: float
    fail: float

    def __post_init__(self) -> None:
        if not self.warn <= self.fail:
            raise SpecError(f"a limit warns at {self.warn} and fails at {self.fail}; exchange the two.")

    def level(self, value: float) -> Level:
        """The level of a value.

        >>> str(Limit(warn=1.0, fail=2.0).level(1.0))
        'warn'
        """
        return Level.FAIL if value >= self.fail else Level.WARN if value >= self.warn else Level.PASS


@dataclass(frozen=True)
class Measure:
    """One thing the guard judges: what it is called, in which unit, within which limits, and what it means."""

    title: str
    unit: str
    limit: Limit
    meaning: str


LIMITS: Mapping[str, Measure] = MappingProxyType(
    {
        "tile-loss": Measure(
            "worst tile, loss against the truth", "dB", Limit(1.0, 3.0), "PSNR-Y lost in the worst 64 x 64 tile"
        ),
        "tile-error": Measure(
            "worst tile, distance from float", "grey levels", Limit(10.0, 20.0), "RMS error in the worst 64 x 64 tile"
        ),
        "colour": Measure("colour shift", "CIEDE2000", Limit(1.0, 2.0), "mean difference of 16 x 16 block colours"),
        "local-colour": Measure(
            "local colour shift", "CIEDE2000", Limit(3.0, 6.0), "difference of the worst 1 % of 16 x 16 block colours"
        ),
        "banding": Measure("banding", "of smooth blocks", Limit(0.1, 0.3), "share of gentle gradients cut into bands"),
        "seams": Measure(
            "seams", "grey levels", Limit(0.5, 1.5), "how much more the error jumps at window borders than elsewhere"
        ),
    }
)
"""Every measure by name. Limits were set on held-out calibration pictures, never on a test set."""


@dataclass(frozen=True)
class Finding:
    """One measure of one picture; `measure` is a key of `LIMITS`, `reason` one sentence with the place."""

    measure: str
    value: float
    level: Level
    reason: str


@dataclass(frozen=True)
class Verdict:
    """What the guard says of a picture, or of a set by its worst pictures. Findings come in the order of `LIMITS`."""

    findings: tuple[Finding, ...]

    @property
    def level(self) -> Level:
        """The worst level of all findings."""
        return max((finding.level for finding in self.findings), key=lambda level: level.rank, default=Level.PASS)

    @property
    def reasons(self) -> tuple[str, ...]:
        """The reasons of what did not pass, the worst first."""
        bad = sorted((one for one in self.findings if one.level.rank), key=lambda one: -one.level.rank)
        return tuple(f"{one.level}: {one.reason}" for one in bad)


def judge(artifacts: Artifacts) -> Verdict:
    """Hold the measures of one picture against `LIMITS`.

    The worst tile is judged by what was lost of the truth where that is known, else by its distance from float. Seams
    are left out for networks without windows.
    """
    return Verdict(tuple(_finding(name, value, where) for name, value, where in _values(artifacts)))


def overall(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict on a set of pictures: of every measure the finding of the picture where it is worst.

    One spoilt picture spoils the set: averages hide artifacts, and that is what the guard is for.
    """
    worst: dict[str, Finding] = {}
    for finding in (finding for verdict in verdicts for finding in verdict.findings):
        if finding.measure not in worst or finding.value > worst[finding.measure].value:
            worst[finding.measure] = finding
    return Verdict(tuple(worst[name] for name in LIMITS if name in worst))


def _finding(name: str, value: float, where: str) -> Finding:
    measure = LIMITS[name]
    level = measure.limit.level(value)
    limits = f"warn {measure.limit.warn}, fail {measure.limit.fail}"
    return Finding(name, value, level, f"{measure.title} {value:.2f} {measure.unit} {where} ({limits})")


def _values(artifacts: Artifacts) -> Iterable[tuple[str, float, str]]:
    """Name, value (larger is worse) and place of every measure that applies."""
    tile, colour, found = artifacts.tile, artifacts.colour, artifacts.seams
    place = f"at x {tile.left}, y {tile.top} of {artifacts.name}"
    if tile.delta is not None:
        yield "tile-loss", max(0.0, -tile.delta), place
    else:
        yield "tile-error", tile.rms, place
    bias = ", ".join(f"{channel} {value:+.1f}" for channel, value in zip("RGB", colour.bias, strict=True))
    yield "colour", colour.mean, f"in {artifacts.name}; mean error {bias}"
    yield "local-colour", colour.worst, f"in {artifacts.name}"
    yield "banding", artifacts.banding.share, f"({artifacts.banding.smooth} of them) in {artifacts.name}"
    if found is not None:
        windows = f"{found.direction} of {'shifted ' if found.shifted else ''}windows"
        yield "seams", found.excess, f"between {windows} (ratio {found.ratio:.2f}) in {artifacts.name}"
