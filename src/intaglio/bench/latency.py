"""Wall-clock latency of callables, measured in turn so that a drifting machine is fair to all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

from intaglio.progress import Advance


@dataclass(frozen=True)
class Latency:
    """Wall-clock seconds of the counted runs of one callable, in the order they were made."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The figure to quote, in seconds."""
        return median(self.seconds)

    @property
    def best(self) -> float:
        """The fastest run, in seconds: the least disturbed one."""
        return min(self.seconds)

    @property
    def spread(self) -> float:
        """Slowest over fastest run; near 1 on a quiet machine.

        >>> Latency((1.0, 1.5)).spread
        1.5
        """
        return max(self.seconds) / min(self.seconds)


def time_in_turn(
    runs: Mapping[str, Callable[[], object]],
    rounds: int,
    *,
    warmup: int = 1,
    advance: Advance = lambda figure: None,
    rest: float = 0.0,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Latency]:
    """Run all callables once a round, A B A B ..., `rounds` times after `warmup` uncounted rounds.

    Ratios between them are of one run of the machine: quote those, not the seconds. `advance` is called after every
    counted call with its name. `rest` is a pause before every call in seconds: threads of some runtimes spin on for a
    while after their work, and would take the cores from whoever comes next.

    >>> ticks = iter(0.5 * tick for tick in range(100))
    >>> time_in_turn({"a": list, "b": list}, rounds=2, clock=lambda: next(ticks))["a"].seconds
    (0.5, 0.5)
    """
    for _ in range(warmup):
        for run in runs.values():
            run()
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            time.sleep(rest)
            began = clock()
            run()
            seconds[name].append(clock() - began)
            advance(name)
    return {name: Latency(tuple(values)) for name, values in seconds.items()}
