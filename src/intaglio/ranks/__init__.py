"""The processes that share one calibration (torchrun, srun): how many there are, which one this is, how sums meet.

Without torchrun there is one, and every function here gives back what it got. All processes run the same program on the
same inputs and take the same decisions; what they share out is the work on pictures. A run of as many
processes gives the same bits each time.
"""

from intaglio.ranks.group import agree, count, gathered, highest, is_first, joined, lowest, own_slice, rank, total

__all__ = [
    "agree",
    "count",
    "gathered",
    "highest",
    "is_first",
    "joined",
    "lowest",
    "own_slice",
    "rank",
    "total",
]
