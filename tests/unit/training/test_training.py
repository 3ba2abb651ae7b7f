"""Training in pieces: held-out pictures stay unseen, pieces equal one run, weights load, crops are pairs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fractions import Fraction
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
from benchmarks.train_float import main
from benchmarks.training.crops import Crops
from benchmarks.training.loop import Rhythm, begin, train, validate
from benchmarks.training.networks import NETWORKS, continue_from, fresh
from benchmarks.training.pictures import TileSet, prepare
from benchmarks.training.result import save_weights
from benchmarks.training.settings import Schedule, Settings
from benchmarks.training.state import Run, identity

from intaglio.arch import SRNetwork, load
from intaglio.arch.edsr import EDSR, EDSRConfig
from intaglio.arch.swinir import SwinIR, SwinIRConfig
from intaglio.errors import CalibrationError, CheckpointError, DatasetError, ResumeError, SpecError
from intaglio.evaluate import read_records
from intaglio.images import downscale, write_image
from intaglio.progress import Silent

CPU = torch.device("cpu")
SIDE = 24


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Five pictures of one grey level each, so that a tile tells which it is from; the last two are 40 and 50."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for index in range(5):
        write_image(folder / f"{index}.png", np.full((SIDE * 2, SIDE * 3 + 5, 3), 10 * (index + 1), np.uint8))
    return folder


@pytest.fixture
def tiles() -> TileSet:
    rng = np.random.default_rng(0)
    part = rng.integers(0, 256, (6, SIDE, SIDE, 3), dtype=np.uint8)
    return TileSet(part[:4], part[4:])


def small_swinir(scale: int) -> SRNetwork:
    return SwinIR(SwinIRConfig(scale=scale, embed_dim=8, depths=(2,), heads=(2,), window=4, mlp_hidden=16))


def small_edsr(scale: int) -> SRNetwork:
    return EDSR(EDSRConfig(scale=scale, features=8, blocks=1))


def ticking() -> Iterator[float]:
    return iter(map(float, count()))


def run_for(tiles: TileSet, settings: Settings, state: Path, deadline: float = float("inf")) -> Run:
    """Each step looks at the clock three times: before it, when it begins, when it ends."""
    network = fresh(small_swinir, settings.scale, settings.seed)
    run = begin(network, settings, identity(settings, tiles.sha256, network.state_dict()), CPU)
    if state.exists():
        run.restore(state, CPU)
    ticks = ticking()
    rhythm = Rhythm(deadline, validate_every=2, save_every=100, clock=lambda: next(ticks))
    crops = Crops(tiles.train, settings.scale, settings.patch, CPU)
    train(run, settings, crops, tiles.held_out, rhythm, state, Silent())
    return run


SETTINGS = Settings("small", scale=2, steps=4, batch=2, patch=8, learning_rate=1e-3)


def test_held_out_pictures_are_never_drawn(photographs: Path) -> None:
    found = prepare(photographs, side=SIDE, held_out=2)
    assert set(np.unique(found.held_out)) == {40, 50}
    crops = Crops(found.train, 2, 4, CPU)
    seen: set[int] = set()
    for step in range(50):
        lr, hr = crops.gather(crops.draw(8, seed=0, step=step))
        seen |= set((lr * 255).round().int().unique().tolist()) | set((hr * 255).round().int().unique().tolist())
    assert seen == {10, 20, 30}


def test_a_limit_leaves_every_picture_represented(photographs: Path) -> None:
    limit = 3 * SIDE * SIDE * (2 + 4)
    found = prepare(photographs, side=SIDE, held_out=2, limit=limit)
    assert len(found.train) == 4
    assert set(np.unique(found.train)) == {10, 20, 30}
    assert found.train.nbytes + found.held_out.nbytes <= limit


def test_tiles_survive_the_file_and_shrinking_makes_fewer(photographs: Path, tmp_path: Path) -> None:
    found = prepare(photographs, side=SIDE, held_out=2)
    size = found.save(tmp_path / "tiles.npz")
    again = TileSet.load(tmp_path / "tiles.npz")
    assert again.sha256 == found.sha256
    assert size < found.train.nbytes + found.held_out.nbytes + 2000
    assert len(prepare(photographs, side=SIDE, shrink=Fraction(1, 2), held_out=2).train) == 3


@pytest.mark.parametrize(("side", "held_out", "limit"), [(25, 1, None), (24, 5, None), (96, 1, None), (24, 1, 10)])
def test_impossible_tiles_are_refused(photographs: Path, side: int, held_out: int, limit: int | None) -> None:
    with pytest.raises(DatasetError, match=r"[;]"):
        prepare(photographs, side=side, held_out=held_out, limit=limit)


def test_a_foreign_file_is_no_tiles(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", train=np.zeros(3))
    with pytest.raises(DatasetError, match="--prepare"):
        TileSet.load(tmp_path / "other.npz")


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_crops_are_pairs_under_every_flip_and_turn(tiles: TileSet, scale: int) -> None:
    # HR pixels are repeated blocks, so each LR pixel of a crop must lie in the middle of its own HR block.
    coarse = tiles.train[:, : SIDE // scale, : SIDE // scale]
    blocks = np.repeat(np.repeat(coarse, scale, axis=1), scale, axis=2)
    crops = Crops(blocks, scale, 4, CPU)
    crops.lr = torch.from_numpy(coarse.copy())
    draw = crops.draw(16, seed=1, step=0)
    assert len({tuple(turn) for turn in draw.turn.T.tolist()}) > 4
    lr, hr = crops.gather(draw)
    assert torch.equal(lr, hr[:, :, scale // 2 :: scale, scale // 2 :: scale])


def test_lr_tiles_are_the_exact_bicubic(tiles: TileSet) -> None:
    crops = Crops(tiles.train, 2, 4, CPU)
    assert np.array_equal(crops.lr[1].numpy(), downscale(tiles.train[1], 2))


def test_crops_larger_than_tiles_are_refused(tiles: TileSet) -> None:
    with pytest.raises(DatasetError, match="smaller crops"):
        Crops(tiles.train, 2, 13, CPU)


def test_a_resumed_run_equals_an_uninterrupted_one(tiles: TileSet, tmp_path: Path) -> None:
    whole = run_for(tiles, SETTINGS, tmp_path / "whole.pt")
    first = run_for(tiles, SETTINGS, tmp_path / "pieces.pt", deadline=4.0)
    assert 0 < first.step < SETTINGS.steps
    pieces = run_for(tiles, SETTINGS, tmp_path / "pieces.pt")
    assert pieces.step == whole.step == SETTINGS.steps
    assert pieces.validation == whole.validation
    assert [step for step, _ in whole.validation] == [2, 4]
    for ours, theirs in zip(pieces.average.parameters(), whole.average.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    start = fresh(small_swinir, 2, SETTINGS.seed)
    assert any(not torch.equal(a, b) for a, b in zip(start.parameters(), whole.network.parameters(), strict=True))


def test_another_runs_state_is_refused(tiles: TileSet, tmp_path: Path) -> None:
    run_for(tiles, SETTINGS, tmp_path / "run.pt", deadline=4.0)
    other = Settings("small", scale=2, steps=5, batch=2, patch=8, learning_rate=1e-3)
    with pytest.raises(ResumeError, match="other settings"):
        run_for(tiles, other, tmp_path / "run.pt")
    (tmp_path / "bad.pt").write_bytes(b"nonsense")
    with pytest.raises(ResumeError, match="delete it"):
        run_for(tiles, SETTINGS, tmp_path / "bad.pt")


@pytest.mark.parametrize("build", [small_swinir, small_edsr])
def test_weights_load_as_the_network_they_are(build: object, tiles: TileSet, tmp_path: Path) -> None:
    assert callable(build)
    network = fresh(build, 2, seed=3)
    run = begin(network, SETTINGS, "", CPU)
    save_weights(run, SETTINGS, tmp_path / "weights.safetensors")
    loaded = load(tmp_path / "weights.safetensors")
    assert loaded.architecture == network.architecture
    for name, tensor in run.average.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor.half().float())


@pytest.mark.parametrize("build", [small_swinir, small_edsr])
def test_another_scale_goes_on_from_the_body(build: object) -> None:
    assert callable(build)
    source, target = fresh(build, 2, seed=0), fresh(build, 4, seed=1)
    kept = continue_from(target, source)
    assert kept
    assert all(name.startswith(("upsample.", "conv_last.")) for name in kept)
    first = source.first_and_last()[0]
    assert torch.equal(target.get_submodule(first).weight, source.get_submodule(first).weight)


def test_weights_of_another_network_are_refused() -> None:
    with pytest.raises(CheckpointError, match="same network"):
        continue_from(small_edsr(4), small_swinir(2))


def test_every_network_builds_at_every_scale() -> None:
    with torch.device("meta"):
        assert {build(scale).scale for build in NETWORKS.values() for scale in (2, 3, 4)} == {2, 3, 4}


def test_schedules_fall_from_one_and_never_rise() -> None:
    for schedule in Schedule:
        factors = [schedule.factor(step, 100) for step in range(100)]
        assert factors[0] == 1.0
        assert factors == sorted(factors, reverse=True)
        assert 0.0 < factors[-1] < 0.1


def test_settings_and_validation_refuse_nonsense(tiles: TileSet) -> None:
    with pytest.raises(SpecError):
        Settings("small", scale=2, steps=0)
    with pytest.raises(CalibrationError, match="held-out"):
        validate(small_edsr(2), tiles.held_out[:0], 2, CPU)


def test_the_command_prepares_trains_and_records(
    photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("benchmarks.train_float.NETWORKS", {"small": small_edsr})
    tiles, weights, records = tmp_path / "tiles.npz", tmp_path / "w.safetensors", tmp_path / "r.jsonl"
    assert main(["prepare", str(photographs), str(tiles), "--side", str(SIDE), "--held-out", "1"]) == 0
    words = ["train", str(tiles), "--network", "small", "--scale", "2", "--state", str(tmp_path / "s.pt")]
    words += ["--weights", str(weights), "--records", str(records), "--steps", "2", "--batch", "1", "--patch", "8"]
    assert main([*words, "--device", "cpu"]) == 0
    (record,) = read_records(records)
    assert (record.kind, record.network, record.steps) == ("training", "small", 2)
    assert record.psnr_y is not None
    assert json.loads(record.to_json())["extra"]["training_tiles"] == len(TileSet.load(tiles).train)
    assert load(weights).scale == 2
    assert "step 2 of 2" in capsys.readouterr().out
    assert main([*words[:-1], "9"]) == 2
