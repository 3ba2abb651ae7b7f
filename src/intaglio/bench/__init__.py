"""Measuring speed: a packed model's latency, memory and breakdown, alone or in turn with what else runs the network.

`alone` and `latency` need no torch; `peers` and `compare` do.
"""
