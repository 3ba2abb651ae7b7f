"""A packed model against its peers on one picture size: latencies in turn, ratios, how far each answer is off."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import UInt8
from torch import nn

from intaglio.bench.latency import Latency, time_in_turn
from intaglio.bench.peers import Answer, Batch, Peer, Precision, Task
from intaglio.progress import Progress
from intaglio.runtime.engine import Engine

REST = 0.3
"""Seconds before each run: longer than the threads of any peer wait for more work without sleeping."""


@dataclass(frozen=True)
class Contender:
    """One row: who, in which precision, how fast, and its mean difference in grey levels from PyTorch's answer.

    None stands for an answer that is not finite.
    """

    name: str
    precision: Precision
    latency: Latency
    grey_levels: float | None


@dataclass(frozen=True)
class Comparison:
    """Our latency beside all peers', measured in turn in one run."""

    ours: Latency
    contenders: tuple[Contender, ...]
    failed: dict[str, str]

    def speedup(self, precision: Precision | None = None) -> float | None:
        """Median latency of the fastest peer (of one precision, or of any) over ours; None without such a peer."""
        medians = [c.latency.median for c in self.contenders if precision in (None, c.precision)]
        return min(medians) / self.ours.median if medians else None

    def content(self) -> dict[str, Any]:
        """What a record or a JSON file tells of it: our median, each peer's times and how far off it is, who failed."""
        return {
            "median_seconds_in_turn": self.ours.median,
            "peers": {
                contender.name: {
                    "precision": contender.precision.value,
                    "median_seconds": contender.latency.median,
                    "best_seconds": contender.latency.best,
                    "ratio": contender.latency.median / self.ours.median,
                    "grey_levels_off_float": contender.grey_levels,
                }
                for contender in self.contenders
            },
            "peers_failed": self.failed,
        }


def as_batch(image: UInt8[np.ndarray, "h w 3"]) -> Batch:
    """A picture as the float networks take it, (1, 3, h, w) in [0, 1]."""
    return np.ascontiguousarray(image.transpose(2, 0, 1)[None].astype(np.float32) / np.float32(255.0))


def compare(
    engine: Engine,
    network: nn.Module,
    image: UInt8[np.ndarray, "h w 3"],
    peers: Sequence[Peer],
    *,
    calibration: Sequence[UInt8[np.ndarray, "h w 3"]],
    threads: int,
    rounds: int,
    progress: Progress,
) -> Comparison:
    """Measure the engine and every peer on one picture, A B A B; a peer that fails to be made is named with its error.

    Our time includes conversion from and to bytes, the peers' does not: that is to their favour. `calibration` are
    pictures of the size of `image`, for peers that quantize.
    """
    batch = as_batch(image)
    task = Task(network, batch, [as_batch(picture) for picture in calibration], threads)
    runners: dict[str, Callable[[Batch], Answer]] = {}
    failed: dict[str, str] = {}
    with progress.stage("making peers", len(peers)) as advance:
        for peer in peers:
            try:
                runners[peer.name] = peer.make(task)
            except Exception as error:  # a peer is foreign code: whatever it raises is a fact about it, not about us
                failed[peer.name] = f"{type(error).__name__}: {error}".splitlines()[0]
            advance(peer.name)
    runs: dict[str, Callable[[], object]] = {"intaglio": lambda: engine(image)}
    runs |= {name: (lambda runner=runner: runner(batch)) for name, runner in runners.items()}  # type: ignore[misc]
    with progress.stage("timing", rounds * len(runs)) as advance:
        latencies = time_in_turn(runs, rounds, warmup=2, rest=REST, advance=advance)
    wanted = _answer(network, batch)
    contenders = tuple(
        Contender(peer.name, peer.precision, latencies[peer.name], _distance(runners[peer.name](batch), wanted))
        for peer in peers
        if peer.name in runners
    )
    return Comparison(latencies["intaglio"], contenders, failed)


def _answer(network: nn.Module, batch: Batch) -> Answer:
    import torch

    with torch.inference_mode():
        return np.asarray(network(torch.from_numpy(batch)).numpy())


def _distance(answer: Answer, wanted: Answer) -> float | None:
    found = float(np.abs(np.clip(answer, 0, 1) - np.clip(wanted, 0, 1)).mean() * 255.0)
    return found if math.isfinite(found) else None
