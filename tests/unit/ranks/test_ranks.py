"""Several processes, one calibration: the result of one process, a clear end where one is gone, and resuming."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from intaglio import ranks
from intaglio.arch.examples import random_network
from intaglio.errors import CalibrationError
from intaglio.observe.collect import own_crops
from intaglio.packed.format import load

SCRIPT = Path(__file__).with_name("several.py")

pytestmark = pytest.mark.skipif(not torch.distributed.is_available(), reason="torch is built without distributed")


def together(words: list[str], folder: Path, count: int = 2) -> list[subprocess.CompletedProcess[str]]:
    """Start the processes as torchrun does, on the loopback interface."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    base = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(count)}
    base |= {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    running = [
        subprocess.Popen(
            [sys.executable, *words], env={**base, "RANK": str(rank), "LOCAL_RANK": str(rank)}, cwd=folder,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for rank in range(count)
    ]  # fmt: skip
    done = []
    for process in running:
        out, err = process.communicate(timeout=900)
        done.append(subprocess.CompletedProcess(process.args, process.returncode, out, err))
    return done


def test_two_processes_make_what_one_makes(tmp_path: Path) -> None:
    for one in together([str(SCRIPT), "compare", str(tmp_path)], tmp_path):
        assert one.returncode == 0, one.stderr
        assert one.stdout == "equal\n"


def test_a_killed_process_ends_all_and_the_run_goes_on(tmp_path: Path) -> None:
    first, second = together([str(SCRIPT), "killed", str(tmp_path)], tmp_path)
    assert second.returncode == -9
    assert first.returncode == 2, first.stderr
    assert first.stdout.startswith("RankError: rank 0 has lost the other processes")
    assert "--resume" in first.stdout
    assert (tmp_path / "state.pt").is_file()
    for one in together([str(SCRIPT), "killed", str(tmp_path)], tmp_path):
        assert (one.returncode, one.stdout) == (0, "resumed\n"), one.stderr


def test_the_command_writes_one_file_and_tells_once(tmp_path: Path) -> None:
    network = random_network("SwinIR")
    save_file({key: value.contiguous() for key, value in network.state_dict().items()}, tmp_path / "tiny.safetensors")
    words = ["-m", "intaglio", "quantize", "tiny.safetensors", "-o", "m.intaglio", "--method", "minmax"]
    first, second = together([*words, "--set", "patches=2", "--set", "patch_size=16"], tmp_path)
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert "m.intaglio" in first.stdout
    assert second.stdout == ""
    assert load(tmp_path / "m.intaglio").program.scale == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.intaglio", "tiny.safetensors"]


def test_one_process_needs_no_group() -> None:
    with ranks.joined(torch.device("cpu")) as device:
        assert (device.type, ranks.count(), ranks.rank(), ranks.is_first()) == ("cpu", 1, 0, True)
    x = torch.ones(2)
    assert ranks.total(x) is x
    assert ranks.gathered("mine") == ["mine"]


def test_more_processes_than_crops_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks, "count", lambda: 3)
    with pytest.raises(CalibrationError, match="at most as many processes"):
        own_crops(torch.zeros(2, 3, 4, 4))
