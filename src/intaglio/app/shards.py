"""Folders of pictures on a cluster: shards of files as pieces of work, one engine for each process there.

The nodes must see the model, the pictures and the place of the results under the same paths. A result is written whole
or not at all and has one name, so that a shard that is begun anew writes what it would have written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from intaglio.app.enlarging import enlarge_files
from intaglio.app.opening import BICUBIC, Opened, open_model
from intaglio.cluster import Lost, Needs, connected
from intaglio.errors import ImageError
from intaglio.images.batch import Outcome, Settings, Status
from intaglio.images.naming import Job
from intaglio.runtime.engine import Backend

SHARD = 64
"""Pictures of a piece of work: enough that what a piece costs is small beside them, few enough to share out evenly."""


@dataclass(frozen=True)
class Shard:
    """Some pictures, and what enlarges them."""

    jobs: tuple[Job, ...]
    model: str
    scale: int | None
    backend: Backend
    threads: int
    memory: int | None
    settings: Settings


def shards_of(jobs: Sequence[Job], like: Shard, size: int = SHARD) -> list[Shard]:
    """The jobs in shards of at most `size`, with paths that hold in any folder; the rest as in `like`."""
    model = like.model if like.model == BICUBIC else str(Path(like.model).absolute())
    there = [replace(job, source=job.source.absolute(), target=job.target.absolute()) for job in jobs]
    parts = (tuple(there[start : start + size]) for start in range(0, len(there), size))
    return [replace(like, jobs=part, model=model) for part in parts]


def enlarge_on_cluster(shards: Sequence[Shard], on: str) -> Iterator[Outcome]:
    """Enlarge every picture on the cluster that `on` names, and say what became of each, shard by shard as they end.

    The pictures of a shard that the cluster loses fail with the reason. Raises: ClusterError.
    """
    needs = [Needs(float(shard.threads), 0.0, shard.memory or 0) for shard in shards]
    with connected(on) as cluster:
        for done in cluster.map(enlarge_shard, shards, needs):
            if isinstance(done.result, Lost):
                reason = f"the cluster lost its shard: {done.result.reason}"
                for job in shards[done.index].jobs:
                    yield Outcome(job.source, job.target, Status.FAILED, reason, error=ImageError(reason))
            else:
                yield from done.result


def enlarge_shard(shard: Shard) -> list[Outcome]:
    """The pictures of one shard, in this process. What a shard that was lost has written stays, and counts as done."""
    opened = _opened(shard.model, shard.scale, shard.backend, shard.threads, shard.memory)
    found = list(enlarge_files(opened, shard.jobs, shard.settings))
    return [replace(one, error=None) for one in found]


@lru_cache(maxsize=2)
def _opened(model: str, scale: int | None, backend: Backend, threads: int, memory: int | None) -> Opened:
    return open_model(model, scale=scale, backend=backend, threads=threads, memory=memory)
