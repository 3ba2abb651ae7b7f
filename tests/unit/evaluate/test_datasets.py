"""Each folder convention gives the same pairs; wrong scales and missing files are refused with their remedy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from intaglio.errors import DatasetError
from intaglio.evaluate import Dataset, load_dataset
from intaglio.evaluate.datasets import LAYOUTS, Layout
from intaglio.images import downscale, mod_crop, write_image

HR = {stem: np.random.default_rng(i).integers(0, 256, (25, 31, 3), dtype=np.uint8) for i, stem in enumerate("ba")}


def build(root: Path, layout: Layout, name: str, scale: int) -> None:
    hr_folder = root / layout.hr.format(name=name)
    hr_folder.mkdir(parents=True)
    for stem, hr in HR.items():
        write_image(hr_folder / f"{stem}.png", hr)
        if layout.lr is not None:
            lr_folder = root / layout.lr.format(name=name, scale=scale)
            lr_folder.mkdir(parents=True, exist_ok=True)
            lr_name = layout.lr_stem.format(stem=stem, scale=scale)
            write_image(lr_folder / f"{lr_name}.png", 255 - downscale(mod_crop(hr, scale), scale))


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_every_layout_gives_its_pairs(tmp_path: Path, layout: Layout, scale: int) -> None:
    build(tmp_path, layout, "Set5", scale)
    pairs = list(load_dataset(tmp_path, "Set5", scale))
    assert [pair.name for pair in pairs] == ["a", "b"]
    for pair in pairs:
        hr = mod_crop(HR[pair.name], scale)
        lr = downscale(hr, scale)
        assert np.array_equal(pair.hr, hr)
        assert np.array_equal(pair.lr, lr if layout.lr is None else 255 - lr)  # made here, or the file's own


def test_pairs_of_another_scale_do_not_hide_the_hr_pictures(tmp_path: Path) -> None:
    build(tmp_path, LAYOUTS[0], "Set5", 2)
    assert load_dataset(tmp_path, "Set5", 3)[0].lr.shape == (8, 10, 3)


@pytest.mark.parametrize(("folder", "asked"), [("BSD100", "B100"), ("B100", "bsd100"), ("Set5", "set5"), ("my", "my")])
def test_other_spellings_are_found(tmp_path: Path, folder: str, asked: str) -> None:
    build(tmp_path, LAYOUTS[0], folder, 2)
    dataset = load_dataset(tmp_path, asked, 2)
    assert len(dataset) == 2
    assert dataset.name == {"my": "my", "Set5": "Set5"}.get(folder, "B100")


def test_gray_hr_pictures_become_rgb(tmp_path: Path) -> None:
    (tmp_path / "gray").mkdir()
    Image.fromarray(HR["a"][..., 0]).save(tmp_path / "gray/bridge.png")
    assert load_dataset(tmp_path, "gray", 2)[0].lr.shape == (12, 15, 3)


def test_nothing_is_read_before_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set/broken.png").write_bytes(b"no picture")
    assert isinstance(load_dataset(tmp_path, "set", 2), Dataset)


def test_the_wrong_scale_names_both_sizes_and_the_right_one(tmp_path: Path) -> None:
    build(tmp_path, LAYOUTS[0], "Set5", 2)
    (tmp_path / "Set5/LR_bicubic/X2").rename(tmp_path / "Set5/LR_bicubic/X4")
    for path in (tmp_path / "Set5/LR_bicubic/X4").iterdir():
        path.rename(path.with_name(path.name.replace("x2", "x4")))
    with pytest.raises(DatasetError, match=r"15 x 12 pixels and .* 28 x 24.*pass scale 2"):
        load_dataset(tmp_path, "Set5", 4)[0]


def test_a_missing_lr_picture_is_named(tmp_path: Path) -> None:
    build(tmp_path, LAYOUTS[0], "Set5", 2)
    (tmp_path / "Set5/LR_bicubic/X2/bx2.png").unlink()
    with pytest.raises(DatasetError, match="lacks 1 of 2 pictures, first bx2"):
        load_dataset(tmp_path, "Set5", 2)


def test_no_such_set_and_no_such_scale(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"No test set Set5 .*GTmod12"):
        load_dataset(tmp_path, "Set5", 2)
    with pytest.raises(DatasetError, match="pass 2, 3 or 4"):
        load_dataset(tmp_path, "Set5", 0)


def test_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "Set5/HR").mkdir(parents=True)
    with pytest.raises(DatasetError, match="holds no picture"):
        load_dataset(tmp_path, "Set5", 2)
