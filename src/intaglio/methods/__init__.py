"""Quantization methods: each a frozen dataclass of its paper's hyper-parameters and a tuple of steps."""

from intaglio.methods.base import Job, Method, Step
from intaglio.methods.registry import METHODS, MethodEntry, entry_of, make_method
from intaglio.methods.run import Quantized, quantize

__all__ = ["METHODS", "Job", "Method", "MethodEntry", "Quantized", "Step", "entry_of", "make_method", "quantize"]
