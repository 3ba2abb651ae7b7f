"""From quantized networks to integer programs: the only bridge between torch and packed programs."""

from intaglio.lower.lower import FloatDtype, Lowered, Outline, lower, lowered, outlined, require_lowerable, simulator

__all__ = ["FloatDtype", "Lowered", "Outline", "lower", "lowered", "outlined", "require_lowerable", "simulator"]
