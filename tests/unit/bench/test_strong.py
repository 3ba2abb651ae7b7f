"""The benchmark of published networks on a small one: what it records, and that it goes on where it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
from benchmarks import strong

from intaglio.arch.examples import random_network
from intaglio.evaluate import read_records
from intaglio.images import write_image
from intaglio.spec import Coverage


def test_cells_are_measured_part_by_part_and_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxruntime")
    safetensors.torch.save_file(random_network("SRVGGNetCompact").state_dict(), tmp_path / "small.safetensors")
    pictures = tmp_path / "data" / "Set5" / "HR"
    pictures.mkdir(parents=True)
    for index in range(2):
        levels = np.random.default_rng(index).integers(0, 256, (40, 36, 3), dtype=np.uint8)
        write_image(pictures / f"{index}.png", levels)
    monkeypatch.setattr(strong, "CELLS", (strong.Cell("small.safetensors", Coverage.FULL, 4),))
    out = tmp_path / "records.jsonl"
    words = [
        str(tmp_path),
        "--data",
        str(tmp_path / "data"),
        "--packed",
        str(tmp_path / "packed"),
        "--records",
        str(out),
    ]
    words += ["--patches", "1", "--patch-size", "16", "--parts"]
    assert strong.main([*words, "float", "engine", "simulator"]) == 0
    assert strong.main([*words, "float", "engine", "simulator", "onnxruntime"]) == 0
    float_way, native, simulated, exported = read_records(out)
    assert float_way.method == "float"
    assert [one.settings["run by"] for one in (native, simulated, exported)] == [
        "native", "simulator", "export, onnxruntime",
    ]  # fmt: skip
    assert simulated.extra["difference"] == abs(simulated.psnr_y - native.psnr_y)
    assert exported.extra["products_in_integers"] == exported.extra["products"] == native.extra["integer_products"]
    assert native.bytes == (tmp_path / "packed" / "small.w4a4-dobi.intaglio").stat().st_size
    assert capsys.readouterr().err == ""
