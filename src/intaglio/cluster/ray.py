"""A cluster of Ray, joined or started, and functions mapped over items on it.

What runs on the nodes is this package, which must be installed there in the same release; files are read and written by
the nodes themselves, so that all must see them under the same paths.
"""

from __future__ import annotations

import logging
import os
import platform
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from intaglio.errors import ClusterError
from intaglio.provenance import VERSION

Item = TypeVar("Item")
Result = TypeVar("Result")

SCHEME = "ray"
PATIENCE = 10.0
"""Seconds in which a cluster must answer."""

LOOPBACK = "127.0.0.1"
RETRIES = 3
"""How often a piece is begun anew whose node or process was lost."""

HEADROOM = 0.9
"""Share of a node's memory that a piece may ask for: one that asks for more than any node has would wait forever."""

_FIRST_WORDS = 200  # characters of what Ray says that fit into a line


@dataclass(frozen=True)
class Needs:
    """What a piece of work takes. Units: `memory` in bytes."""

    cpus: float = 1.0
    gpus: float = 0.0
    memory: int = 0


@dataclass(frozen=True)
class Lost:
    """A piece of work that has no result, and why."""

    reason: str


@dataclass(frozen=True)
class Done(Generic[Result]):
    """The result of the item with that index, or how it was lost, and the seconds it took."""

    index: int
    result: Result | Lost
    seconds: float


class Cluster:
    """A cluster that this process has joined."""

    def __init__(self, ray: Any) -> None:
        self._ray = ray

    def most(self) -> Needs:
        """The most that one node has of each thing."""
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        cpus, gpus, memory = (
            max((float(node.get(kind, 0.0)) for node in nodes), default=0.0) for kind in ("CPU", "GPU", "memory")
        )
        return Needs(cpus, gpus, int(memory))

    def map(
        self, function: Callable[[Item], Result], items: Sequence[Item], needs: Sequence[Needs]
    ) -> Iterator[Done[Result]]:
        """Call a function of a module with each item, wherever there is room, and yield results as they come.

        A piece whose process or node is lost is begun anew, `RETRIES` times at most; one that raises is `Lost`, and no
        other is lost with it. Giving up the iteration cancels the rest.

        Raises: ClusterError where no node has the processors or GPUs of one piece.
        """
        most = self.most()
        for one in needs:
            if one.cpus > most.cpus or one.gpus > most.gpus:
                raise ClusterError(
                    f"a piece needs {one.cpus:g} processors and {one.gpus:g} GPUs, and the largest node has "
                    f"{most.cpus:g} and {most.gpus:g}; give it fewer --threads, or join a larger node."
                )
        timed = self._ray.remote(_timed)
        waiting = {}
        for index, (item, one) in enumerate(zip(items, needs, strict=True)):
            options: dict[str, Any] = {"num_cpus": one.cpus, "num_gpus": one.gpus, "max_retries": RETRIES}
            if memory := min(one.memory, int(HEADROOM * most.memory)):
                options["memory"] = memory
            waiting[timed.options(**options).remote(function, item)] = index
        try:
            while waiting:
                for ready in self._ray.wait(list(waiting), num_returns=1)[0]:
                    yield self._done(waiting.pop(ready), ready)
        finally:
            for left in waiting:
                self._ray.cancel(left, force=True)

    def _done(self, index: int, ready: Any) -> Done[Any]:
        try:
            result, seconds = self._ray.get(ready)
        except self._ray.exceptions.RayError as error:
            return Done(index, Lost(_line(error)), 0.0)
        return Done(index, result, seconds)


def _timed(function: Callable[[Item], Result], item: Item) -> tuple[Result, float]:
    began = time.monotonic()
    return function(item), time.monotonic() - began


def versions() -> tuple[str, str]:
    """The release of intaglio and of Python in this process."""
    return VERSION, platform.python_version()


def _versions_of(_: object) -> tuple[str, str]:
    return versions()


@contextmanager
def connected(on: str) -> Iterator[Cluster]:
    """The cluster that ``ray`` (one on this machine, started and ended with the block) or ``ray:ADDRESS`` names.

    Raises: ClusterError where Ray is not installed, no cluster answers at the address, or its nodes have other
    releases.
    """
    scheme, _, address = on.partition(":")
    if scheme != SCHEME:
        raise ClusterError(f"--on {on}: unknown; write ray, or ray:ADDRESS of a cluster that is running.")
    try:
        import ray
    except ImportError:
        raise ClusterError("this needs ray, which is not installed; run: pip install 'intaglio[cluster]'") from None
    # What Ray would say of dashboards and usage is nothing that was asked for.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        _require_answer(address)
        # A cluster on the loopback address is joined from there, and one that we start is reached from nowhere else.
        place = {"_node_ip_address": LOOPBACK} if not address or address.startswith(f"{LOOPBACK}:") else {}
        own = {} if address else {"include_dashboard": False}
        ray.init(address=address or "local", log_to_driver=False, logging_level=logging.ERROR, **place, **own)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise ClusterError(
            f"--on {on}: no cluster can be joined ({_line(error)}); start one with: ray start"
        ) from error
    try:
        cluster = Cluster(ray)
        require_same(cluster)
        yield cluster
    finally:
        ray.shutdown()


def _require_answer(address: str) -> None:
    """Raises: OSError or ValueError where nobody listens at ``host:port``: Ray itself would go on asking."""
    host, colon, port = address.rpartition(":")
    if address and address != "auto":
        if not (colon and port.isdigit()):
            raise ValueError(f"{address} is no HOST:PORT")
        socket.create_connection((host, int(port)), timeout=PATIENCE).close()


def require_same(cluster: Cluster) -> None:
    """Raises: ClusterError where the cluster cannot run this package, or has it in another release."""
    (done,) = cluster.map(_versions_of, [None], [Needs(cpus=0.0)])
    if isinstance(done.result, Lost):
        raise ClusterError(
            f"the cluster cannot run intaglio ({done.result.reason}); install this release on its nodes."
        )
    if done.result != versions():
        ours, theirs = (" on Python ".join(one) for one in (versions(), done.result))
        raise ClusterError(f"the cluster has intaglio {theirs}, this is {ours}; install one release everywhere.")


def _line(error: Exception) -> str:
    cause = getattr(error, "cause", None) or error
    words = " ".join(str(cause).split()) or type(cause).__name__
    return words[:_FIRST_WORDS].rstrip(".")
