"""Looking inside a run: callbacks that receive the codes of every activation site and the integers of every product.

Nothing here computes; `intaglio.lower.check` and the tests of the native engine compare what they receive.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from intaglio._shapes import Int32, UInt8
from intaglio.spec import SiteName

Tap = Callable[[SiteName, UInt8[np.ndarray, "..."]], None]
"""Called with a site's name and its codes.

Shapes: a linear's input (windows, tokens, channels), windows in raster order of the rolled map; ``scores.a``,
``scores.b`` and ``context.b`` (windows, heads, tokens, channels of a head); ``context.a`` (windows, heads, queries,
keys); a convolution's input (channels, height + 2 pad, width + 2 pad), padding included.
"""

IntegerTap = Callable[[str, Int32[np.ndarray, "..."]], None]
"""Called with ``<operation name>/<part>`` and the exact integers R of a product, part being one of q, k, v, scores,
context, proj, fc1, fc2 in a block, and ``conv`` in a convolution.

Shapes: a linear (windows, tokens, outputs); scores (windows, heads, queries, keys); context (windows, heads, queries,
channels of a head); a convolution (outputs, height, width).
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

    def integers(self, name: str, integers: Int32[np.ndarray, ...]) -> None:
        """Show the integers of a product."""
        if self.tap_integer is not None:
            self.tap_integer(name, integers)
