"""Learning against the float teacher: losses, feature taps, groups of parameters, the resumable loop."""

from intaglio.distill.bounds_vector import StepUnit, bounds_vector
from intaglio.distill.config import DistillConfig, FeatureLoss, Loop, OutputScale
from intaglio.distill.dqc import distill, objective_of
from intaglio.distill.grid_units import biases_in_steps, bounds_in_steps, floats_in_shares, weights_in_steps
from intaglio.distill.imitation import Imitation
from intaglio.distill.learned import Group, LearnedVector, Rate
from intaglio.distill.loop import Objective, learn
from intaglio.distill.schedules import Schedule, cosine, cyclic
from intaglio.distill.taps import inner_taps

__all__ = [
    "DistillConfig",
    "FeatureLoss",
    "Group",
    "Imitation",
    "LearnedVector",
    "Loop",
    "Objective",
    "OutputScale",
    "Rate",
    "Schedule",
    "StepUnit",
    "biases_in_steps",
    "bounds_in_steps",
    "bounds_vector",
    "cosine",
    "cyclic",
    "distill",
    "floats_in_shares",
    "inner_taps",
    "learn",
    "objective_of",
    "weights_in_steps",
]
