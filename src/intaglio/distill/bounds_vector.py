"""All bounds of a model as one learned vector, each in its own unit.

The mechanics of a learned vector are in `learned.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from torch import Tensor

from intaglio.distill.learned import LearnedVector
from intaglio.quant import AffineQuantizer, QuantModel


class StepUnit(StrEnum):
    """What one unit of the learned vector means; under Adam it sets how far a bound moves in a step."""

    ABSOLUTE = "absolute"
    """The bound itself, as published: a learning rate of 1e-2 moves every bound by up to 1e-2, whatever its range."""
    RELATIVE = "relative"
    """The bound's displacement in units of the range it started with: 1e-2 moves it by one percent of the range."""


def bounds_vector(model: QuantModel, unit: StepUnit) -> LearnedVector:
    """The lower and upper bounds of all affine quantizers; a quantizer shared by several readers occurs once.

    The unit of a bound is 1 or the range that its quantizer starts with.
    """
    if unit is StepUnit.ABSOLUTE:
        return bounds_in(model, lambda quantizer: 1.0)
    return bounds_in(model, lambda quantizer: (quantizer.upper - quantizer.lower).detach())


def bounds_in(model: QuantModel, unit_of: Callable[[AffineQuantizer], Tensor | float]) -> LearnedVector:
    """The bounds of all affine quantizers, both of one in the unit that `unit_of` names; a shared one occurs once."""
    quantizers = list(dict.fromkeys(model.affine().values()))
    bounds = [bound for quantizer in quantizers for bound in (quantizer.lower, quantizer.upper)]
    return LearnedVector(bounds, [unit for quantizer in quantizers for unit in [unit_of(quantizer)] * 2])
