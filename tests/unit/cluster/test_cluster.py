"""Sweeps and folders on a cluster of Ray beside the same on this machine; what goes wrong is one line."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from intaglio.app import shards
from intaglio.cli import main
from intaglio.cluster import Cluster, Lost, Needs, connected, ray
from intaglio.errors import ClusterError
from intaglio.images import dead_leaves, write_image
from intaglio.packed.examples import random_program
from intaglio.packed.format import save

pytest.importorskip("ray", reason="ray is not installed (extra 'cluster')")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A cluster of this machine alone, on the loopback address."""
    with connected("ray") as found:
        yield found


def double(x: int) -> int:
    if x == 3:
        raise ValueError("three")
    if x == 4:
        os._exit(1)
    return 2 * x


def test_results_come_with_what_was_lost(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("intaglio.cluster.ray.RETRIES", 0)
    done = {one.index: one.result for one in cluster.map(double, [1, 2, 3, 4], [Needs()] * 4)}
    with pytest.raises(ClusterError, match="the largest node has"):
        list(cluster.map(double, [1], [Needs(cpus=5000.0)]))
    assert (done[0], done[1]) == (2, 4)
    assert isinstance(done[2], Lost)
    assert "three" in done[2].reason
    assert isinstance(done[3], Lost)


def test_a_folder_on_the_cluster_is_the_folder_here(
    cluster: Cluster, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "connected", lambda on: nullcontext(cluster))
    monkeypatch.chdir(tmp_path)
    save(random_program(np.random.default_rng(0)), "model.intaglio")
    Path("in").mkdir()
    for index in range(70):
        write_image(f"in/{index:02d}.png", dead_leaves(6, 9, seed=index))
    Path("in/07.png").write_bytes(b"broken")
    assert main(["upscale", "model.intaglio", "in", "-o", "here"]) == 2
    assert main(["upscale", "model.intaglio", "in", "-o", "there", "--on", "ray", "--json", "told.json"]) == 2
    assert "69 enlarged, 0 skipped, 1 failed" in capfd.readouterr().out
    here, there = ({path.name: path.read_bytes() for path in Path(name).iterdir()} for name in ("here", "there"))
    assert len(here) == 69
    assert here == there


@pytest.mark.parametrize(
    ("on", "told"),
    [("ray:127.0.0.1:1", "no cluster can be joined"), ("dask", "write ray"), ("ray:nowhere", "no HOST:PORT")],
)
def test_no_cluster_is_one_line(on: str, told: str) -> None:
    with pytest.raises(ClusterError, match=told) as found, connected(on):
        pass
    assert "\n" not in str(found.value)


def test_another_release_is_refused(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "versions", lambda: ("9.9.9", "3.99"))
    with pytest.raises(ClusterError, match=r"this is 9\.9\.9 on Python 3\.99; install one release"):
        ray.require_same(cluster)


def test_ray_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ClusterError, match=r"pip install 'intaglio\[cluster\]'"), connected("ray"):
        pass


def test_the_iteration_may_be_given_up(cluster: Cluster) -> None:
    first = next(iter(cluster.map(double, [1, 2], [Needs()] * 2)))
    assert first.result in (2, 4)


def test_nothing_is_asked_of_ray_without_the_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr("intaglio.cluster.ray.connected", refuse)
    save(random_program(np.random.default_rng(0)), tmp_path / "model.intaglio")
    write_image(tmp_path / "a.png", dead_leaves(6, 9, seed=0))
    assert main(["upscale", str(tmp_path / "model.intaglio"), str(tmp_path / "a.png")]) == 0
