"""Models in which only some sites are quantized: a copy with empty sites, and one quantizer put there for a while."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager

from intaglio.quant import Quantizer, QuantModel, Unset
from intaglio.spec import SiteName


def emptied(model: QuantModel) -> QuantModel:
    """A copy of a model whose sites all pass float values on; weights that a method edited stay edited."""
    copied = copy.deepcopy(model)
    for name in copied.sites:
        copied.set_quantizer(name, Unset())
    return copied


@contextmanager
def placed(model: QuantModel, site: SiteName, quantizer: Quantizer) -> Iterator[None]:
    """`quantizer` stands at a site inside the block; what stood there before comes back whatever happens."""
    before = model.quantizer(site)
    model.set_quantizer(site, quantizer)
    try:
        yield
    finally:
        model.set_quantizer(site, before)
