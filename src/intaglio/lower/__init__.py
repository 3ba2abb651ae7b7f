"""From quantized networks to integer programs: the only bridge between torch and the packed room."""

from intaglio.lower.builder import Remainder
from intaglio.lower.lower import LOWERINGS, lower, simulator

__all__ = ["LOWERINGS", "Remainder", "lower", "simulator"]
