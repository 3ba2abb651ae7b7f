"""Gray networks from checkpoint to picture, the model card, and the float network of a benchmark by --network."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import save_file

from intaglio.arch import REGISTRY
from intaglio.arch.examples import SMALL
from intaglio.bench.peers import PEERS
from intaglio.images import dead_leaves, read_image, write_image
from intaglio.packed.format import load
from intaglio.provenance import file_sha256

from .conftest import QUICK, Run

SOURCE = """
from intaglio.arch.examples import random_network


def make():
    return random_network("SRVGGNetCompact")
"""


@pytest.fixture
def gray(tmp_path: Path) -> Path:
    entry = next(one for one in REGISTRY if one.name == "SRVGGNetCompact")
    path = tmp_path / "gray.safetensors"
    save_file(entry.build(replace(SMALL["SRVGGNetCompact"], in_channels=1)).state_dict(), path)
    return path


def test_a_gray_network_goes_from_checkpoint_to_picture(run: Run, gray: Path, tmp_path: Path) -> None:
    packed = tmp_path / "gray.intaglio"
    told = run("quantize", gray, "-o", packed, "--coverage", "full", "--card", "--licence", "CC0 | ours", *QUICK)
    assert told.status == 0, told.err
    assert load(packed).program.ops[0].integer("channels") == 1
    card = (tmp_path / "gray.md").read_text(encoding="utf-8")
    rows = dict(line[2:-2].split(" | ", 1) for line in card.splitlines() if line.startswith("| ") and len(line) > 5)
    assert file_sha256(gray) in rows["made from"]
    assert rows["licence of the weights"] == r"CC0 \| ours"
    assert f"{packed.stat().st_size:,} bytes" in rows["size"]
    assert "dB PSNR-Y" in rows["distance from the float network"]
    pictures = tmp_path / "data" / "Set5" / "HR"
    pictures.mkdir(parents=True)
    write_image(pictures / "leaves.png", dead_leaves(40, 44, 0))
    found = {}
    for model in (gray, packed):
        assert run("eval", model, "--data", tmp_path / "data", "--json", tmp_path / "told.json").status == 0
        (found[model],) = json.loads((tmp_path / "told.json").read_text(encoding="utf-8"))["sets"]
    assert abs(found[gray]["psnr_y"] - found[packed]["psnr_y"]) < 3.0
    small = tmp_path / "small.png"
    write_image(small, dead_leaves(20, 22, 1))
    assert run("upscale", packed, small, "-o", tmp_path / "large.png").status == 0
    assert read_image(tmp_path / "large.png").shape == (40, 44, 3)


def test_a_benchmark_takes_a_network_of_ones_own(
    run: Run, packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("intaglio.bench.peers.available_peers", lambda: (PEERS["PyTorch eager"],))
    monkeypatch.setattr("intaglio.bench.compare.REST", 0.0)
    (tmp_path / "own.py").write_text(SOURCE, encoding="utf-8")
    out, words = tmp_path / "told.json", ("bench", packed, "--size", "8x8", "--rounds", "1", "--threads", "1")
    assert "--network" in run(*words, "--peers").error
    assert run(*words, "--peers", "--network", f"{tmp_path / 'own.py'}:make", "--json", out).status == 0
    assert np.isfinite(json.loads(out.read_text(encoding="utf-8"))["peers"]["PyTorch eager"]["median_seconds"])
