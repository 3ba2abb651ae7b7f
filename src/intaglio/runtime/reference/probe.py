"""Looking inside a run: callbacks that receive the codes of every activation site and the integers of every product.

Nothing here computes; `intaglio.lower.check` and the tests of the native engine compare what they receive.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from intaglio._shapes import Int, UInt8
from intaglio.spec import SiteName

Tap = Callable[[SiteName, UInt8[np.ndarray, "..."]], None]
"""Called with a site's name and its codes, in the shape of the operand; that of a convolution is the padded map."""

IntegerTap = Callable[[str, Int[np.ndarray, "..."]], None]
"""Called with an operation's name and the exact integers R of its product, in the shape of its output.

They are int32, or int64 for a product of two values whose sums may leave 32 bits.
"""


@dataclass(frozen=True)
class Probe:
    """The two callbacks of a run, each of which may be absent."""

    tap: Tap | None = None
    tap_integer: IntegerTap | None = None

    @property
    def active(self) -> bool:
        """Whether anybody looks."""
        return self.tap is not None or self.tap_integer is not None

    def codes(self, site: SiteName, codes: UInt8[np.ndarray, ...]) -> None:
        """Show the codes of an activation site."""
        if self.tap is not None:
            self.tap(site, codes)

    def integers(self, name: str, integers: Int[np.ndarray, ...]) -> None:
        """Show the integers of a product."""
        if self.tap_integer is not None:
            self.tap_integer(name, integers)
