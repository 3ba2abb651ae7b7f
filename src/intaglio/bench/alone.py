"""One engine by itself: latency, throughput, memory, and the time of each kind of operation. torch is never loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from intaglio.bench.latency import Latency, time_in_turn
from intaglio.progress import Advance
from intaglio.runtime.engine import Engine
from intaglio.runtime.native import OpTime


@dataclass(frozen=True)
class KindTime:
    """How many operations of a kind a program has and what they take together, in seconds."""

    count: int
    seconds: float


@dataclass(frozen=True)
class Alone:
    """What one engine does with one picture. Units: `memory` in bytes, 0 for the reference; `profiled` in seconds."""

    latency: Latency
    pixels_per_second: float
    memory: int
    by_kind: Mapping[str, KindTime]

    @property
    def profiled(self) -> float:
        """Seconds of all operations of the profiled run together."""
        return sum(row.seconds for row in self.by_kind.values()) or 1.0


def measure_alone(engine: Engine, image: UInt8[np.ndarray, "h w 3"], rounds: int, advance: Advance) -> Alone:
    """Time an engine on one picture; the breakdown is of the fastest of as many profiled runs."""
    latency = time_in_turn({"intaglio": lambda: engine(image)}, rounds, warmup=2, advance=advance)["intaglio"]
    height, width = image.shape[:2]
    pixels = height * width / latency.median
    if engine.native is None:
        return Alone(latency, pixels, 0, {})
    profiles = [engine.native.profile(image)[1] for _ in range(rounds)]
    best = min(profiles, key=lambda rows: sum(row.seconds for row in rows))
    return Alone(latency, pixels, engine.native.memory(height, width), grouped(best))


def grouped(rows: tuple[OpTime, ...]) -> dict[str, KindTime]:
    """Times by kind of operation, the most expensive first.

    >>> grouped((OpTime("add", "a", 1.0), OpTime("conv2d", "b", 3.0), OpTime("add", "c", 1.0)))
    {'conv2d': KindTime(count=1, seconds=3.0), 'add': KindTime(count=2, seconds=2.0)}
    """
    kinds = {row.kind for row in rows}
    totals = {kind: [row.seconds for row in rows if row.kind == kind] for kind in kinds}
    ordered = sorted(totals.items(), key=lambda item: -sum(item[1]))
    return {kind: KindTime(len(seconds), sum(seconds)) for kind, seconds in ordered}
