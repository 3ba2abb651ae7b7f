"""Sweeps and folders on a cluster of Ray beside the same on this machine; what goes wrong is one line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from intaglio.cli import main
from intaglio.cluster import Lost, Needs, connected
from intaglio.cluster.ray import Cluster
from intaglio.errors import ClusterError
from intaglio.images import dead_leaves, write_image
from intaglio.packed.examples import random_program
from intaglio.packed.format import save

pytest.importorskip("ray", reason="ray is not installed (extra 'cluster')")


LOOPBACK = {"node_ip_address": "127.0.0.1"}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A cluster of two nodes with a processor each, on this machine."""
    from ray.cluster_utils import Cluster as Nodes

    nodes = Nodes(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False, **LOOPBACK})
    nodes.add_node(num_cpus=1, **LOOPBACK)
    try:
        yield f"ray:{nodes.address}"
    finally:
        nodes.shutdown()


def double(x: int) -> int:
    if x == 3:
        raise ValueError("three")
    if x == 4:
        os._exit(1)
    return 2 * x


def test_results_come_with_what_was_lost(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("intaglio.cluster.ray.RETRIES", 0)
    with connected(address) as cluster:
        done = {one.index: one.result for one in cluster.map(double, [1, 2, 3, 4], [Needs()] * 4)}
        assert cluster.most().cpus == 1
        with pytest.raises(ClusterError, match="the largest node has 1 and 0"):
            list(cluster.map(double, [1], [Needs(cpus=5.0)]))
    assert (done[0], done[1]) == (2, 4)
    assert isinstance(done[2], Lost)
    assert "three" in done[2].reason
    assert isinstance(done[3], Lost)


def test_a_folder_on_the_cluster_is_the_folder_here(
    address: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save(random_program(np.random.default_rng(0)), "model.intaglio")
    Path("in").mkdir()
    for index in range(70):
        write_image(f"in/{index:02d}.png", dead_leaves(6, 9, seed=index))
    Path("in/07.png").write_bytes(b"broken")
    assert main(["upscale", "model.intaglio", "in", "-o", "here"]) == 2
    assert main(["upscale", "model.intaglio", "in", "-o", "there", "--on", address, "--json", "told.json"]) == 2
    assert "69 enlarged, 0 skipped, 1 failed" in capfd.readouterr().out
    here, there = ({path.name: path.read_bytes() for path in Path(name).iterdir()} for name in ("here", "there"))
    assert len(here) == 69
    assert here == there


@pytest.mark.parametrize(
    ("on", "told"),
    [("ray:127.0.0.1:1", "no cluster can be joined"), ("dask", "write ray"), ("ray:nowhere", "no cluster")],
)
def test_no_cluster_is_one_line(on: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray._private.ray_constants as constants

    monkeypatch.setattr(constants, "CONNECTION_TIMEOUT", 1, raising=False)
    with pytest.raises(ClusterError, match=told) as found, connected(on):
        pass
    assert "\n" not in str(found.value)


def test_another_release_is_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("intaglio.cluster.ray.VERSION", "9.9.9")
    with pytest.raises(ClusterError, match=r"this is 9\.9\.9 .*install one release"), connected(address):
        pass


def test_ray_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ClusterError, match=r"pip install 'intaglio\[cluster\]'"), connected("ray"):
        pass


def test_the_iteration_may_be_given_up(address: str) -> None:
    with connected(address) as cluster:
        first = next(iter(cluster.map(double, [1, 2], [Needs()] * 2)))
    assert first.result in (2, 4)
    assert isinstance(cluster, Cluster)


def test_nothing_is_asked_of_ray_without_the_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr("intaglio.cluster.ray.connected", refuse)
    save(random_program(np.random.default_rng(0)), tmp_path / "model.intaglio")
    write_image(tmp_path / "a.png", dead_leaves(6, 9, seed=0))
    assert main(["upscale", str(tmp_path / "model.intaglio"), str(tmp_path / "a.png")]) == 0
