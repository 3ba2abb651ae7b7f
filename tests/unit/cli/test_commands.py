"""Every command on a tiny network: what it prints, what it writes, what its JSON holds."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import intaglio
from intaglio.arch import load as load_network
from intaglio.cli.app import COMMANDS
from intaglio.evaluate import read_records
from intaglio.images import dead_leaves, read_image, write_image
from intaglio.methods import METHODS
from intaglio.packed.format import load

from .conftest import QUICK, Run

GROUPS = ("results",)


def figures(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in GROUPS])
def test_help_has_an_example(run: Run, command: str) -> None:
    shown = run(command, "--help")
    assert shown.status == 0
    assert f"Example: intaglio {command}" in " ".join(shown.out.split())


def test_no_words_show_the_help(run: Run) -> None:
    shown = run()
    assert shown.status == 0
    assert all(command in shown.out for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_mistyped_command_is_corrected(run: Run, command: str) -> None:
    assert f"Did you mean '{command}'" in run(command[:-1], "--help").error


def test_quantize_writes_a_model_that_tells_its_making(
    run: Run, checkpoint: Path, pictures: Path, tmp_path: Path
) -> None:
    model, report = tmp_path / "m.intaglio", tmp_path / "m.json"
    done = run("quantize", checkpoint, "-o", model, "--calibration", pictures, "--json", report, "--bits", 3, *QUICK)
    assert done.status == 0, done.err
    header, found = load(model).header, figures(report)
    assert found["bytes"] == model.stat().st_size
    assert found["recipe"] == header.recipe
    assert header.recipe["weight_bits"] == header.recipe["act_bits"] == 3
    assert header.recipe["changed"] == ["patch_size", "patches"]
    assert header.calibration is not None
    assert header.calibration.count == 3
    assert len(header.provenance.source_sha256) == 64
    assert found["check"]["integer_products"] > 0
    assert f"{found['sites']} sites" in done.out


@pytest.mark.parametrize("method", [name for name, entry in METHODS.items() if entry.trains])
def test_every_method_that_learns_tells_its_steps(
    run: Run, checkpoint: Path, pictures: Path, tmp_path: Path, method: str
) -> None:
    small = {
        "iterations": 2, "batch": 2, "pac_batch": 2, "batches": 2, "patches": 2, "patch_size": 16, "pool": 2,
        "crop_size": 16, "pictures": 2, "start_batch": 2, "epochs": 2, "updates": 1, "gradient_steps": 2,
        "candidates": 5,
    }  # fmt: skip
    known = {field.name for field in fields(METHODS[method].make)}  # type: ignore[arg-type]
    words = [word for name, value in small.items() if name in known for word in ("--set", f"{name}={value}")]
    done = run("quantize", checkpoint, "-o", tmp_path / "m", "--calibration", pictures, "--method", method, *words)
    if method == "oaq-release":
        assert "DualRegionQuantizer" in done.error
        return
    assert done.status == 0, done.err
    assert re.search(r"distillation: [24] iterations, loss \d", done.out)


def test_the_same_words_give_the_same_bytes(run: Run, checkpoint: Path, pictures: Path, tmp_path: Path) -> None:
    models = [tmp_path / name for name in ("a.intaglio", "b.intaglio")]
    for model in models:
        run("quantize", checkpoint, "-o", model, "--calibration", pictures, *QUICK)
    assert models[0].read_bytes() == models[1].read_bytes()


def test_the_default_name_tells_widths_and_method(
    run: Run, checkpoint: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run("quantize", checkpoint, "--calibration", pictures, "--weight-bits", 3, "--act-bits", 5, *QUICK)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.w3a5-minmax.intaglio"]


def test_the_command_line_wins_over_the_recipe(run: Run, checkpoint: Path, pictures: Path, tmp_path: Path) -> None:
    recipe, model = tmp_path / "r.toml", tmp_path / "m.intaglio"
    recipe.write_text(
        f'method = "dobi"\nweight_bits = 2\nact_bits = 5\n[settings]\npatches = 2\npatch_size = 16\ncandidates = 7\n'
        f'[calibration]\nsource = "{pictures}"\n'
    )
    done = run("quantize", checkpoint, "-o", model, "--recipe", recipe, "--weight-bits", 6, "--set", "candidates=9")
    assert done.status == 0, done.err
    made = load(model).header.recipe
    assert (made["method"], made["weight_bits"], made["act_bits"]) == ("dobi", 6, 5)
    assert made["settings"] == {"candidates": 9, "patches": 2, "patch_size": 16}


def test_distillation_leaves_no_state_behind(run: Run, checkpoint: Path, pictures: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    short = (
        "--method",
        "2dquant",
        "--set",
        "iterations=2",
        "--set",
        "batch=1",
        "--set",
        "pool=2",
        "--set",
        "patches=2",
        "--set",
        "patch_size=8",
    )
    words = ("quantize", checkpoint, "-o", tmp_path / "m.intaglio", "--calibration", pictures, *short)
    done = run(*words, "--checkpoint-dir", state)
    assert done.status == 0, done.err
    assert "2 iterations" in done.out
    assert list(state.iterdir()) == []


def test_shipped_recipes_are_valid(repository: Path) -> None:
    from intaglio.cli.quantizing import library_recipe
    from intaglio.cli.recipe import read_recipe

    recipes = sorted((repository / "recipes").glob("*.toml"))
    assert recipes
    for path in recipes:
        library_recipe(read_recipe(path, {}))


@pytest.mark.parametrize("backend", ["auto", "reference"])
def test_upscale_one_picture(run: Run, packed: Path, picture: Path, tmp_path: Path, backend: str) -> None:
    large, report = tmp_path / "large.png", tmp_path / "u.json"
    done = run("upscale", packed, picture, "-o", large, "--backend", backend, "--json", report)
    assert done.status == 0, done.err
    assert read_image(large).shape == (26, 42, 3)
    assert figures(report)["pictures"][0]["width"] == 42


def test_upscale_a_single_pixel(run: Run, packed: Path, tmp_path: Path) -> None:
    write_image(tmp_path / "dot.png", np.full((1, 1, 3), 90, np.uint8))
    assert run("upscale", packed, tmp_path / "dot.png").status == 0
    assert read_image(tmp_path / "dot_x2.png").shape == (2, 2, 3)


@pytest.mark.parametrize("model", ["packed", "checkpoint", "bicubic"])
def test_upscale_a_folder(run: Run, model: str, pictures: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    name = model if model == "bicubic" else request.getfixturevalue(model)
    done = run("upscale", name, pictures, "-o", tmp_path / "large")
    assert done.status == 0, done.err
    assert sorted(path.name for path in (tmp_path / "large").iterdir()) == [f"leaves{n}_x2.png" for n in range(3)]


@pytest.mark.parametrize("model", ["packed", "checkpoint", "bicubic"])
def test_eval_measures_and_records(run: Run, model: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    (tmp_path / "mine").mkdir()
    for seed in range(2):
        write_image(tmp_path / "mine" / f"{seed}.png", dead_leaves(32, 32, seed))
    name = model if model == "bicubic" else request.getfixturevalue(model)
    report, records = tmp_path / "e.json", tmp_path / "e.jsonl"
    done = run("eval", name, "--data", tmp_path, "--set", "mine", "--json", report, "--records", records)
    assert done.status == 0, done.err
    assert "protocol: x2, MATLAB bicubic LR" in done.out
    (found,), (record,) = figures(report)["sets"], read_records(records)
    assert found["psnr_y"] == record.psnr_y
    assert set(found["pictures"]) == {"0", "1"}
    assert record.dataset == "mine"
    assert record.method == {"packed": "minmax", "checkpoint": "float", "bicubic": "bicubic"}[model]
    assert record.weight_bits == (4 if model == "packed" else None)
    if model == "packed":
        assert record.settings == {"patches": 2, "patch_size": 16}


def test_inspect_counts_every_byte(run: Run, packed: Path, tmp_path: Path) -> None:
    report = tmp_path / "i.json"
    done = run("inspect", packed, "--json", report)
    assert done.status == 0, done.err
    sizes = figures(report)["bytes"]
    assert sizes["total"] == packed.stat().st_size == sizes["codes"] + sizes["floats"] + sizes["overhead"]
    assert all(row["site"] in done.out for row in figures(report)["sites"])


def test_inspect_tells_what_a_checkpoint_holds(run: Run, checkpoint: Path, tmp_path: Path) -> None:
    state = load_file(checkpoint)
    averaged, report = tmp_path / "two sets.pth", tmp_path / "i.json"
    torch.save({"params": state, "params_ema": state}, averaged)
    done = run("inspect", averaged, "--json", report)
    assert done.status == 0, done.err
    found, network = figures(report), load_network(averaged)
    assert (found["architecture"], found["scale"]) == (network.architecture, network.scale)
    assert found["parameters"] == sum(parameter.numel() for parameter in network.parameters())
    assert found["sha256"] == hashlib.sha256(averaged.read_bytes()).hexdigest()
    assert found["averaged"]
    assert found["names"] == ["params_ema"]
    assert shlex.split(found["quantize"]) == ["intaglio", "quantize", str(averaged)]
    assert f"Next: {found['quantize']}" in done.out
    assert "params_ema" in done.out
    plain = run("inspect", averaged, "--weights", "plain", "--json", report)
    assert plain.status == 0, plain.err
    assert not figures(report)["averaged"]
    assert figures(report)["quantize"].endswith("--weights plain")


def test_a_plan_is_of_packed_models_alone(run: Run, checkpoint: Path) -> None:
    assert f"intaglio quantize {checkpoint}" in run("inspect", checkpoint, "--plan").error


def test_methods_lists_the_registry(run: Run, tmp_path: Path) -> None:
    from intaglio.methods import METHODS

    assert run("methods", "--json", tmp_path / "m.json").status == 0
    assert [row["name"] for row in figures(tmp_path / "m.json")["methods"]] == list(METHODS)


def test_version(run: Run) -> None:
    assert f"intaglio {intaglio.__version__}" in run("version").out


def test_effort_chooses_the_method_and_says_how_long(
    run: Run, checkpoint: Path, pictures: Path, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    words = ("--calibration", pictures, "--json", report, "--set", "patches=2", "--set", "patch_size=16")
    done = run("quantize", checkpoint, "-o", tmp_path / "m", "--effort", "quick", "-v", *words)
    assert done.status == 0, done.err
    assert "dobi, effort quick: about" in done.err
    assert json.loads(report.read_text())["recipe"]["method"] == "dobi"
    refused = run("quantize", checkpoint, "-o", tmp_path / "m", "--effort", "some", *words)
    assert "choose quick, standard, long, paper" in refused.error
