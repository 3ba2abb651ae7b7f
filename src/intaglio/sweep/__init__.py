"""Sweeps: a grid of cells, each one resolved configuration that becomes Records; resumable, in processes.

Also reproducing a paper's table, which is a sweep with published results beside it.
"""

from intaglio.sweep.cell import Cell, Pictures, Weights
from intaglio.sweep.estimate import ASSUMPTIONS, Estimate, Estimates
from intaglio.sweep.events import Event, State
from intaglio.sweep.machine import default_limits
from intaglio.sweep.outlook import Outlook
from intaglio.sweep.plan import Folders, Missing, Plan, plan_sweep
from intaglio.sweep.pool import Limits
from intaglio.sweep.run import Outcome, Work, run_sweep, unfinished
from intaglio.sweep.specification import SweepFile, parse_sweep, read_sweep
from intaglio.sweep.store import Store

__all__ = [
    "ASSUMPTIONS",
    "Cell",
    "Estimate",
    "Estimates",
    "Event",
    "Folders",
    "Limits",
    "Missing",
    "Outcome",
    "Outlook",
    "Pictures",
    "Plan",
    "State",
    "Store",
    "SweepFile",
    "Weights",
    "Work",
    "default_limits",
    "parse_sweep",
    "plan_sweep",
    "read_sweep",
    "run_sweep",
    "unfinished",
]
