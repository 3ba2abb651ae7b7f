"""From quantized networks to integer programs: the only bridge between torch and the packed room."""

from intaglio.lower.lower import Lowered, Remainder, lower, lowered, require_lowerable, simulator

__all__ = ["Lowered", "Remainder", "lower", "lowered", "require_lowerable", "simulator"]
