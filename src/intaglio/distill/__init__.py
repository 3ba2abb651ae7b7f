"""Learning against the float teacher: losses, feature taps, the resumable loop."""

from intaglio.distill.bounds_vector import StepUnit
from intaglio.distill.config import DistillConfig, FeatureLoss, OutputScale, Schedule
from intaglio.distill.loop import distill

__all__ = ["DistillConfig", "FeatureLoss", "OutputScale", "Schedule", "StepUnit", "distill"]
