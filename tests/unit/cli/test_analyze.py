"""``intaglio analyze``: every analysis writes finite figures and pictures; wrong words are refused in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import safetensors.torch

from intaglio.arch.examples import random_network
from intaglio.cli import main
from intaglio.cli.analyze import Analysis
from intaglio.cli.analyzing import ANALYSES
from intaglio.cli.outputs import validated

QUICK = ["--set", "patches=1", "--set", "patch_size=16", "--patches", "1", "--size", "16", "--probes", "1"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    safetensors.torch.save_file(random_network("SwinIR").state_dict(), path)
    return path


def test_the_command_knows_every_analysis() -> None:
    assert list(Analysis) == list(ANALYSES)


@pytest.mark.parametrize("analysis", ANALYSES)
def test_every_analysis_writes_figures_and_pictures(
    analysis: str, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "figures.json"
    words = ["analyze", analysis, str(checkpoint), *QUICK, "--pictures", str(tmp_path), "--json", str(out)]
    assert main(words) == 0, capsys.readouterr().err
    figures = json.loads(out.read_text())
    validated("analyze", figures)
    assert figures["analysis"] == analysis
    assert len(figures["weights_sha256"]) == 64
    assert figures["operations"]["linear"] > 0 if analysis == "cost" else figures["sites"]
    assert list(tmp_path.glob(f"{analysis}*.png"))
    assert analysis in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["distributions", "--method", "dobi", "--method", "minmax"], "percentiles"),
        (["sensitivity", "--size", "400"], "smaller patches"),
        (["colour", "--outliers", "0"], "outliers"),
        (["sensitivity", "--site", "nothing"], "no site is like"),
        (["conditions", "--pictures", f"{__file__}/in-a-file"], "name another one"),
        (["percentiles", "--set", "oaq.epochs=1"], "'oaq' is not looked at"),
        (["distributions", "--method", "unheard-of"], "no method"),
    ],
)
def test_wrong_words(words: list[str], told: str, checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["analyze", words[0], str(checkpoint), *QUICK, *words[1:]])
    error = capsys.readouterr().err
    assert status == 2
    assert told in error
    assert error.count("\n") == 1


def test_sites_can_be_chosen(checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    words = ["analyze", "sensitivity", str(checkpoint), *QUICK, "--site", "*.blocks.1.mlp.*", "--json", str(out)]
    assert main(words) == 0
    sites = [row["site"].rpartition("mlp.")[2] for row in json.loads(out.read_text())["sites"]]
    assert sites == ["fc1:input", "fc1:weight", "fc2:input", "fc2:weight"]


def test_one_of_several_methods_is_set(checkpoint: Path, tmp_path: Path) -> None:
    out, folder = tmp_path / "figures.json", tmp_path / "new" / "pictures"
    words = ["analyze", "percentiles", str(checkpoint), *QUICK, "--method", "dobi", "--method", "2dquant"]
    own = [f"2dquant.{word}" for word in ("iterations=2", "batch=1", "pool=2")]
    assert (
        main([*words, *(w for word in own for w in ("--set", word)), "--pictures", str(folder), "--json", str(out)])
        == 0
    )
    assert json.loads(out.read_text())["methods"] == ["dobi", "2dquant"]
    assert list(folder.glob("percentiles*.png"))
