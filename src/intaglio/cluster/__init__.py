"""Work on a cluster of Ray (extra ``cluster``): what a piece needs, retries, and one line for whatever goes wrong."""

from intaglio.cluster.ray import Cluster, Lost, Needs, connected

__all__ = ["Cluster", "Lost", "Needs", "connected"]
