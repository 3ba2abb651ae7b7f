"""A folder enlarged from Python: the functions that `intaglio upscale` calls."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from intaglio.app.enlarging import enlarge_files, planned
from intaglio.app.opening import open_model
from intaglio.images import read_image, write_image
from intaglio.images.batch import Settings, Status


def test_a_folder_is_enlarged_with_places_kept(packed: Path, tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    for name in ("a.png", "below/b.png"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        write_image(tmp_path / "in" / name, picture)
    opened = open_model(str(packed))
    jobs = planned(opened, [tmp_path / "in"], tmp_path / "out")
    assert [outcome.status for outcome in enlarge_files(opened, jobs, Settings())] == [Status.ENLARGED] * 2
    expected = opened.upscaler(picture)
    assert np.array_equal(read_image(tmp_path / "out" / "a_x2.png"), expected)
    assert np.array_equal(read_image(tmp_path / "out" / "below" / "b_x2.png"), expected)
    assert [outcome.status for outcome in enlarge_files(opened, jobs, Settings())] == [Status.SKIPPED] * 2
