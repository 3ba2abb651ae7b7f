"""Our bicubic against the LR pictures that the field distributes, made with MATLAB."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from intaglio.images import downscale, list_images, mod_crop, read_image


@pytest.mark.shared
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_every_sample_of_the_official_set5_is_reproduced(shared: Path, scale: int) -> None:
    folder = shared / "data/testsets/Set5"
    for path in list_images(folder / "HR"):
        official = read_image(folder / f"LR_bicubic/X{scale}/{path.stem}x{scale}.png")
        ours = downscale(mod_crop(read_image(path), scale), scale)
        assert np.count_nonzero(ours != official) == 0, path.stem
