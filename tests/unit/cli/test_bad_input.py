"""Bad input: one line that says what is wrong and what to do, a status that is not 0, nothing half-written."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from intaglio.images import write_image

from .conftest import QUICK, Run


def assert_only(folder: Path, *names: str) -> None:
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--bits", 9), "9 bits"),
        (("--bits", 1), "1 bits"),
        (("--method", "adaround"), "no method is called 'adaround'; there are minmax"),
        (("--set", "itterations=3"), "no setting 'itterations'; it has balance"),
        (("--set", "iterations=many"), "give a value of type int"),
        (("--set", "iterations"), "expected key=value"),
        (("--coverage", "most"), "paper"),
        (("--calibration", "nowhere"), "no folder at nowhere"),
        (("--no-such-option",), "--no-such-option"),
        (("--resume",), "--checkpoint-dir"),
        (("--recipe", "nowhere.toml"), "cannot read the recipe nowhere.toml"),
    ],
)
def test_quantize_refuses_settings(
    run: Run, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[object, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    failed = run("quantize", checkpoint, *words)
    assert said in failed.error
    assert failed.status == 2
    assert_only(tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('methd = "dobi"', "unknown key 'methd'; known are effort, method, weight_bits"),
        ("[calibration]\nfolder = 3", "unknown key 'calibration.folder'; known are source"),
        ("weight_bits = 'four'", "'weight_bits' is not usable"),
        ("calibration = 3", "'calibration' is not usable"),
        ("weight_bits = ", "is no TOML"),
    ],
)
def test_recipes_are_strict(run: Run, checkpoint: Path, tmp_path: Path, text: str, said: str) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text(text)
    assert said in run("quantize", checkpoint, "-o", tmp_path / "m.intaglio", "--recipe", recipe).error
    assert_only(tmp_path, "r.toml")


def test_an_empty_calibration_folder(run: Run, checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    failed = run("quantize", checkpoint, "-o", tmp_path / "m.intaglio", "--calibration", tmp_path / "empty")
    assert "holds no picture" in failed.error
    assert_only(tmp_path, "empty")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_checkpoint_that_is_not_finite(run: Run, checkpoint: Path, tmp_path: Path, value: float) -> None:
    state = load_file(checkpoint)
    next(tensor for tensor in state.values() if tensor.is_floating_point()).view(-1)[0] = value
    save_file(state, tmp_path / "bad.safetensors")
    failed = run("quantize", tmp_path / "bad.safetensors", "-o", tmp_path / "m.intaglio")
    assert "NaN or infinite" in failed.error
    assert_only(tmp_path, "bad.safetensors")


@pytest.mark.parametrize("command", ["quantize", "upscale", "eval", "inspect"])
def test_files_that_are_missing_truncated_or_something_else(
    run: Run, checkpoint: Path, packed: Path, picture: Path, tmp_path: Path, command: str
) -> None:
    more: dict[str, tuple[object, ...]] = {"upscale": (picture,), "eval": ("--data", tmp_path)}
    for source in (checkpoint, packed):
        data = source.read_bytes()
        for name, content in (("cut", data[: len(data) // 2]), ("empty", b""), ("junk", b"\xff\x00 not a model" * 40)):
            path = tmp_path / f"{name}{source.suffix}"
            path.write_bytes(content)
            assert run(command, path, *more.get(command, ())).error
    assert "missing" in run(command, tmp_path / "missing.safetensors", *more.get(command, ())).error


def test_a_pickled_program_is_not_run(run: Run, picture: Path, tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "pwned"),)

    torch.save({"params": Payload()}, tmp_path / "evil.pth")
    assert "never unpickled" in run("upscale", tmp_path / "evil.pth", picture).error
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("content", [b"", b"GIF89a....", b"\x89PNG\r\n\x1a\n" + b"\0" * 50])
def test_not_a_picture(run: Run, packed: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "p.png").write_bytes(content)
    assert "p.png" in run("upscale", packed, tmp_path / "p.png").error
    assert_only(tmp_path, "p.png")


def test_a_data_set_of_another_scale(run: Run, packed: Path, tmp_path: Path) -> None:
    for folder, side in (("HR", 32), ("LR_bicubic/X2", 8)):
        (tmp_path / "mine" / folder).mkdir(parents=True)
        name = "a.png" if folder == "HR" else "ax2.png"
        write_image(tmp_path / "mine" / folder / name, np.zeros((side, side, 3), np.uint8))
    assert "pass scale 4" in run("eval", packed, "--data", tmp_path, "--set", "mine").error
    assert "enlarges x2, not x3" in run("eval", packed, "--data", tmp_path, "--set", "mine", "--scale", 3).error


@pytest.mark.parametrize("output", ["nowhere/m.intaglio", "file/m.intaglio", ".", "/dev/full"])
def test_places_that_cannot_be_written(
    run: Run, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    failed = run("quantize", checkpoint, "-o", output, *QUICK)
    assert f"Cannot write {output}" in failed.error
    assert_only(tmp_path, "file")


def test_a_full_disk(
    run: Run, checkpoint: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    failed = run("quantize", checkpoint, "-o", tmp_path / "m.intaglio", "--calibration", pictures, *QUICK)
    assert "no space left on device; free some space" in failed.error
    assert_only(tmp_path)


def test_debug_shows_the_traceback(run: Run, checkpoint: Path) -> None:
    failed = run("quantize", checkpoint, "--bits", 9, "--debug")
    assert "Traceback" in failed.err
    assert failed.err.splitlines()[-1].startswith("error: 9 bits")


def test_an_unforeseen_error_is_one_line_too(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    import intaglio.evaluate.machine as machine

    def broken() -> None:
        raise RuntimeError("two\nlines")

    monkeypatch.setattr(machine, "current_machine", broken)
    failed = run("version")
    assert failed.error == "error: RuntimeError: two lines; run again with --debug and report it, please."
    assert failed.status == 1
