"""Benchmarks that judge by pictures: settings on held-out ones, and the ways to run one network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
from benchmarks import agreement, held_out
from benchmarks.aware.pairs import Pairs, middle

from intaglio.arch.examples import random_network
from intaglio.errors import DatasetError
from intaglio.evaluate import read_records
from intaglio.images import downscale, write_image

SIDE = 40
QUICK = ["--set", "patches=1", "--set", "patch_size=8"]


def noise(seed: int, height: int = SIDE, width: int = SIDE + 6) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "small.safetensors"
    safetensors.torch.save_file(random_network("EDSR").state_dict(), path)
    return path


def folder(path: Path, count: int) -> Path:
    path.mkdir(parents=True)
    for index in range(count):
        write_image(path / f"{index:02}.png", noise(index))
    return path


def test_the_middle_of_a_pair_is_a_pair() -> None:
    hr = (noise(0), noise(1, 50, 30))
    pairs = Pairs(2, ("a", "b"), tuple(downscale(one, 2) for one in hr), hr)
    found = middle(pairs, 12)
    assert [one.shape for one in found.hr] == [(24, 24, 3)] * 2
    assert all(np.array_equal(lr, downscale(one, 2)) for lr, one in zip(found.lr, found.hr, strict=True))
    assert np.array_equal(found.hr[1], hr[1][12:36, 2:26])
    with pytest.raises(DatasetError, match="smaller --crop"):
        middle(pairs, 16)


def test_every_combination_is_judged_on_held_out_pictures(checkpoint: Path, tmp_path: Path) -> None:
    pictures, out = folder(tmp_path / "hr", held_out.HELD_OUT["hr"] + 2), tmp_path / "records.jsonl"
    words = [str(checkpoint), "--calibration", str(pictures), "--method", "dobi", "--coverage", "full", *QUICK]
    vary = ["--vary", "candidates=4,8", "--vary", "patch_size=8,9"]
    assert held_out.main([*words, *vary, "--crop", "8", "--records", str(out)]) == 0
    plain, *others = read_records(out)
    assert plain.method == "float"
    assert [(one.settings["candidates"], one.settings["patch_size"]) for one in others] == [
        (4, 8), (4, 9), (8, 8), (8, 9),
    ]  # fmt: skip
    assert {one.dataset for one in others} == {"held out: last 8 of hr, middle 8"}
    assert all(one.calibration is not None and one.calibration.count == 2 for one in others)
    assert len({one.psnr_y for one in (plain, *others)}) > 2


def test_ways_to_run_what_a_method_packed_are_compared(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder(tmp_path / "data" / "Set5" / "HR", 2)
    out = tmp_path / "records.jsonl"
    words = [str(checkpoint), "--data", str(tmp_path / "data"), "--coverage", "full", "--bits", "8"]
    own = [
        "dobi.candidates=5",
        *(f"{method}.patch{rest}" for method in ("dobi", "minmax") for rest in ("es=1", "_size=8")),
    ]
    own += ["oaq-release.pictures=2", "oaq-release.patch_size=8", "oaq-release.epochs=1", "oaq-release.updates=1"]
    words += ["--methods", "dobi", "minmax", "oaq-release", *(word for one in own for word in ("--set", one))]
    assert agreement.main([*words, "--ways", "reference", "--records", str(out)]) == 0
    assert "oaq-release" in capsys.readouterr().err
    found = read_records(out)
    assert [(one.method, one.settings["run by"]) for one in found] == [
        (method, way) for method in ("dobi", "minmax") for way in ("simulator", "reference")
    ], "the released OAQ cannot be lowered and is told of, not recorded"
    assert found[0].settings["candidates"] == 5
    for simulated, packed in (found[:2], found[2:]):
        assert simulated.psnr_y is not None
        assert packed.psnr_y == pytest.approx(simulated.psnr_y, abs=0.05)
        assert packed.extra["difference"] == abs(packed.psnr_y - simulated.psnr_y)


def test_the_float_output_is_a_reference_that_more_bits_come_closer_to(checkpoint: Path, tmp_path: Path) -> None:
    pictures, out = folder(tmp_path / "lr", held_out.HELD_OUT["float"] + 2), tmp_path / "records.jsonl"
    words = [str(checkpoint), "--calibration", str(pictures), "--method", "minmax", "--coverage", "full", *QUICK]
    for bits in ("3", "8"):
        again = [*words, "--against", "float", "--crop", "8", "--bits", bits, "--records", str(out)]
        assert held_out.main(again) == 0
    coarse, fine = read_records(out)
    assert len(coarse.extra["psnr_y"]) == held_out.HELD_OUT["float"]
    assert coarse.psnr_y < fine.psnr_y
    assert coarse.extra["squared_error"] > fine.extra["squared_error"] > 0.0
    few = folder(tmp_path / "few", 3)
    assert held_out.main([str(checkpoint), "--calibration", str(few), "--against", "float"]) == 2
