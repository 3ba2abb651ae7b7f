"""The calibration set: a hash that tells pictures apart, patches that a seed determines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from intaglio.errors import CalibrationError, DatasetError
from intaglio.observe import CalibrationSet

RNG = np.random.default_rng(5)
PICTURES = tuple(RNG.integers(0, 256, shape, dtype=np.uint8) for shape in ((20, 31, 3), (16, 16, 3), (9, 40, 3)))


def test_the_hash_tells_contents_sizes_and_order_and_nothing_else() -> None:
    original = CalibrationSet("name", PICTURES)
    changed = PICTURES[0].copy()
    changed[3, 4, 1] ^= 1
    others = [
        (changed, *PICTURES[1:]),
        (PICTURES[0].reshape(31, 20, 3), *PICTURES[1:]),
        PICTURES[::-1],
        PICTURES[:2],
    ]
    hashes = {original.content_hash, *(CalibrationSet("name", pictures).content_hash for pictures in others)}
    assert len(hashes) == 5
    assert CalibrationSet("another name", tuple(p.copy(order="F") for p in PICTURES)).content_hash in hashes


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 6), st.integers(1, 16))
def test_patches_are_crops_turned_and_mirrored(seed: int, count: int, size: int) -> None:
    calibration = CalibrationSet("name", PICTURES[1:2])
    patches = calibration.patches(count, size, seed)
    assert patches.shape == (count, 3, size, size)
    assert patches.dtype == torch.float32
    crops = np.lib.stride_tricks.sliding_window_view(PICTURES[1], (size, size, 3)).reshape(-1, size, size, 3)
    for patch in (patches * 255).round().byte().permute(0, 2, 3, 1).numpy():
        forms = [np.rot90(form, turns) for form in (patch, patch[:, ::-1]) for turns in range(4)]
        assert any((crops == form).all(axis=(1, 2, 3)).any() for form in forms)


def test_the_seed_determines_the_patches() -> None:
    calibration = CalibrationSet("name", PICTURES)
    first = calibration.patches(6, 9, seed=1)
    assert torch.equal(first, calibration.patches(6, 9, seed=1))
    assert torch.equal(first[:2], calibration.patches(2, 9, seed=1))
    assert not torch.equal(first, calibration.patches(6, 9, seed=2))


def test_every_picture_that_is_large_enough_is_used_and_no_other() -> None:
    flat = tuple(np.full((side, side, 3), level, dtype=np.uint8) for side, level in ((8, 10), (12, 20), (12, 30)))
    patches = CalibrationSet("name", flat).patches(64, 10, seed=0)
    assert set((patches * 255).round().unique().tolist()) == {20.0, 30.0}


def test_all_eight_orientations_occur() -> None:
    patches = CalibrationSet("name", (PICTURES[1],)).patches(200, 16, seed=0)
    assert len(patches.flatten(1).unique(dim=0)) == 8


def test_patches_larger_than_every_picture_are_refused() -> None:
    with pytest.raises(CalibrationError, match="short side of 20; choose smaller patches or larger pictures"):
        CalibrationSet("name", PICTURES).patches(1, 21, seed=0)


def test_folders_are_read_in_order_of_name_with_the_last_held_out(tmp_path: Path) -> None:
    for name, picture in zip("bac", PICTURES, strict=True):
        Image.fromarray(picture).save(tmp_path / f"{name}.png")
    whole = CalibrationSet.from_folder(tmp_path)
    assert [p.shape for p in whole.pictures] == [PICTURES[i].shape for i in (1, 0, 2)]
    kept = CalibrationSet.from_folder(tmp_path, hold_out=2)
    assert len(kept.pictures) == 1
    assert np.array_equal(kept.pictures[0], PICTURES[1])
    with pytest.raises(CalibrationError, match="holds no picture"):
        CalibrationSet.from_folder(tmp_path, hold_out=3)


def test_empty_sets_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="use synthetic ones"):
        CalibrationSet("nothing", ())
    with pytest.raises(DatasetError, match="holds no picture"):
        CalibrationSet.from_folder(tmp_path)


def test_synthetic_sets_are_reproducible() -> None:
    first, again, other = (CalibrationSet.synthetic(2, 16, seed) for seed in (3, 3, 4))
    assert first.content_hash == again.content_hash != other.content_hash
    assert first.name == "synthetic-2x16-seed3"
