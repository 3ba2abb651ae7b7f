"""Timing in turn, ratios, and the peers that any development environment has."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
import torch
from torch import nn

from intaglio.bench.alone import measure_alone
from intaglio.bench.compare import as_batch, compare
from intaglio.bench.latency import Latency, time_in_turn
from intaglio.bench.peers import PEERS, Peer, Precision, Task
from intaglio.packed.examples import random_program
from intaglio.progress import Silent
from intaglio.runtime.engine import Engine


def test_callables_take_turns_and_warm_up_is_not_counted() -> None:
    order: list[str] = []
    runs = {name: (lambda name=name: order.append(name)) for name in ("a", "b")}
    latencies = time_in_turn(runs, rounds=3, warmup=1, clock=itertools.count(0.0, 1.0).__next__)
    assert order == ["a", "b"] * 4
    assert all(latency.seconds == (1.0, 1.0, 1.0) for latency in latencies.values())


def test_latency_quotes_the_median() -> None:
    latency = Latency((3.0, 1.0, 2.0))
    assert (latency.median, latency.best, latency.spread) == (2.0, 1.0, 3.0)


def test_breakdown_covers_every_operation() -> None:
    program = random_program(np.random.default_rng(0))
    engine = Engine(program, threads=1)
    image = np.zeros((8, 8, 3), np.uint8)
    alone = measure_alone(engine, image, 2, lambda figure: None)
    if engine.native is None:
        pytest.skip("the native core is not built, and the reference has no breakdown")
    shown = Counter({kind: row.count for kind, row in alone.by_kind.items()})
    plan = engine.native.plan().lines
    assert shown == Counter(line.kind for line in plan)
    assert alone.memory > 0


class _Nearest(nn.Module):
    """A stand-in network: enlarges by repetition."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.repeat_interleave(2, -1).repeat_interleave(2, -2)


def _broken(task: Task) -> None:
    raise RuntimeError("no such device\nsecond line")


def test_a_peer_that_cannot_be_made_is_named_and_the_rest_is_measured() -> None:
    engine = Engine(random_program(np.random.default_rng(0)), threads=1)
    peers = [PEERS["PyTorch eager"], Peer("broken", Precision.INT8, (), _broken)]  # type: ignore[arg-type]
    image = np.full((8, 8, 3), 128, np.uint8)
    found = compare(engine, _Nearest(), image, peers, calibration=[image], threads=1, rounds=1, progress=Silent())
    assert [contender.name for contender in found.contenders] == ["PyTorch eager"]
    assert found.contenders[0].grey_levels == 0.0
    assert found.failed == {"broken": "RuntimeError: no such device"}
    assert found.speedup(Precision.FLOAT32) == found.speedup() == found.contenders[0].latency.median / found.ours.median
    assert found.speedup(Precision.BFLOAT16) is None


def test_batches_are_planar_in_unit_range() -> None:
    batch = as_batch(np.full((2, 3, 3), 255, np.uint8))
    assert batch.shape == (1, 3, 2, 3)
    assert batch.dtype == np.float32
    assert (batch == 1.0).all()


def test_every_peer_says_what_it_needs() -> None:
    assert all(peer.needs and peer.name == name for name, peer in PEERS.items())
