"""What each operator of torch is in a program: one function an operator, one file a family."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from intaglio.lower.aten import elementwise, maps, moves, norms, products
from intaglio.lower.operands import Rule

RULES: Mapping[str, Rule] = MappingProxyType(
    {**elementwise.RULES, **maps.RULES, **moves.RULES, **norms.RULES, **products.RULES}
)
"""By the operator's full name, such as ``aten.relu.default``."""
