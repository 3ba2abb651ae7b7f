"""Steps that several methods share, and what single steps of a method are made of.

A step that one method alone takes, and that is short, stands beside that method.
"""

from intaglio.methods.steps.bounds import FitBounds, FitRunningBounds
from intaglio.methods.steps.distill import Distill
from intaglio.methods.steps.keep import KeepIfCloser
from intaglio.methods.steps.require import Require

__all__ = ["Distill", "FitBounds", "FitRunningBounds", "KeepIfCloser", "Require"]
