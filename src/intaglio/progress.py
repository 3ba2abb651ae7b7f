"""How long work reports its progress, without knowing who shows it. The command line draws bars; the default is
silent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, runtime_checkable

Advance = Callable[[str], None]
"""Called once for each unit done, with a short figure to show (a loss, a name) or an empty string."""


@runtime_checkable
class Progress(Protocol):
    """Somewhere to report to."""

    def stage(self, name: str, total: int) -> AbstractContextManager[Advance]:
        """Open a stage of `total` units; the block gets a function to call after each unit."""
        ...


class Silent:
    """Reports to nobody."""

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Advance]:
        """A stage whose units go unseen."""
        del name, total
        yield lambda figure: None
