"""Where a running sweep stands: counts by state and the time that is left, from its events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from intaglio.sweep.events import Event, State


class Outlook:
    """Counts the cells of a sweep by state and estimates the time left.

    `estimates` are the seconds that each unfinished cell is expected to take, by content hash. As cells finish, the
    others are expected to be off by the same factor.
    """

    def __init__(self, estimates: Mapping[str, float], workers: int) -> None:
        self._estimates = dict(estimates)
        self._workers = workers
        self._expected_done = 0.0
        self._taken = 0.0
        self.counts: Counter[State] = Counter()
        self.running: dict[str, Event] = {}

    def hear(self, event: Event) -> None:
        """Take note of an event."""
        key = event.cell.content_hash
        if event.state is State.RUNNING:
            self.running[key] = event
            return
        self.counts[event.state] += 1
        self.running.pop(key, None)
        expected = self._estimates.pop(key, 0.0)
        if event.state is State.DONE:
            self._expected_done += expected
            self._taken += event.seconds

    @property
    def waiting(self) -> int:
        """How many cells have not begun."""
        return len(self._estimates) - len(self.running)

    def left(self) -> float:
        """Seconds until the last cell ends, as far as one can tell."""
        pace = self._taken / self._expected_done if self._expected_done else 1.0
        seconds = [pace * self._remaining(key, expected, pace) for key, expected in self._estimates.items()]
        return max(sum(seconds) / self._workers, max(seconds, default=0.0))

    def _remaining(self, key: str, expected: float, pace: float) -> float:
        event = self.running.get(key)
        return expected if event is None else max(0.0, expected - event.seconds / pace)
