"""``intaglio export``: what is written, what is said of it, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from intaglio.app.exporting import export_model
from intaglio.cli import main
from intaglio.errors import ExportError
from intaglio.export.verify import Run
from intaglio.packed.examples import random_program
from intaglio.packed.format import save


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.intaglio"
    save(random_program(np.random.default_rng(0), bits=4), path)
    return path


def test_the_command_writes_a_file_and_says_how_it_ran(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output, figures = tmp_path / "out.onnx", tmp_path / "out.json"
    assert main(["export", str(model), "-o", str(output), "--strict", "--json", str(figures)]) == 0
    onnx.checker.check_model(onnx.load(output), full_check=True)
    (told,) = json.loads(figures.read_text())["runtimes"]
    assert told["products_in_integers"] == told["products"] > 0
    assert f"{told['products']} of {told['products']}" in capsys.readouterr().out


def test_equal_models_give_equal_files(model: Path, tmp_path: Path) -> None:
    first, second = (export_model(model, tmp_path / name, runtimes=()).path for name in ("a.onnx", "b.onnx"))
    assert first.read_bytes() == second.read_bytes()


def test_a_product_in_float_is_refused_where_strict(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def in_float(path: Path, planes: np.ndarray) -> Run:
        from intaglio.export.verify import run_onnxruntime

        return Run(run_onnxruntime(path, planes).planes, {"MatMul": 9}, 0)

    monkeypatch.setattr("intaglio.export.verify.RUNTIMES", {"onnxruntime": in_float})
    with pytest.raises(ExportError, match="in float"):
        export_model(model, tmp_path / "out.onnx", strict=True, runtimes=["onnxruntime"])
    assert not (tmp_path / "out.onnx").exists()


def test_another_picture_is_refused(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(path: Path, planes: np.ndarray) -> Run:
        return Run(np.zeros((3, 2 * planes.shape[1], 2 * planes.shape[2]), np.float32), {}, 0)

    monkeypatch.setattr("intaglio.export.verify.RUNTIMES", {"onnxruntime": wrong})
    with pytest.raises(ExportError, match="computes another picture"):
        export_model(model, tmp_path / "out.onnx", runtimes=["onnxruntime"])
    assert not (tmp_path / "out.onnx").exists()


def test_a_runtime_that_is_missing_is_named(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="not installed"):
        export_model(model, tmp_path / "out.onnx", runtimes=["tensorrt"])
