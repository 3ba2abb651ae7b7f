"""The bicubic baseline, the self-ensemble, and the evaluation loop on pictures small enough to check by hand."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from intaglio.errors import DatasetError, ImageError
from intaglio.evaluate import BicubicUpscaler, Upscaler, evaluate, load_dataset, psnr_y, self_ensemble, ssim_y
from intaglio.images import upscale, write_image

IMAGE = np.random.default_rng(0).integers(0, 256, (9, 13, 3), dtype=np.uint8)


@dataclass(frozen=True)
class CornerMarker:
    """Enlarges by repetition and adds `level` to the top-left sample: eight turned runs mark the four corners."""

    scale: int = 2
    level: int = 8

    def __call__(self, image: np.ndarray, /) -> np.ndarray:
        output = image.repeat(self.scale, axis=0).repeat(self.scale, axis=1)
        output[0, 0] += np.uint8(self.level)
        return output


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_baseline_is_bicubic(scale: int) -> None:
    upscaler = BicubicUpscaler(scale)
    assert isinstance(upscaler, Upscaler)
    assert np.array_equal(upscaler(IMAGE), upscale(IMAGE, scale))


def test_the_ensemble_undoes_every_turn() -> None:
    image = IMAGE // 2
    ensemble = self_ensemble(CornerMarker())
    assert ensemble.scale == 2
    expected = image.repeat(2, axis=0).repeat(2, axis=1)
    expected[[0, 0, -1, -1], [0, -1, 0, -1]] += np.uint8(2)  # each corner marked by 8 in two of the eight runs
    assert np.array_equal(ensemble(image), expected)


@pytest.mark.parametrize(("level", "rounded"), [(2, 100), (6, 102), (4, 101)])
def test_the_ensemble_rounds_half_to_even(level: int, rounded: int) -> None:
    output = self_ensemble(CornerMarker(level=level))(np.full((3, 4, 3), 100, np.uint8))
    assert (output[0, 0] == rounded).all()  # 100 + level / 4


class Listener:
    """Writes down what is reported to it."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Callable[[str], None]]:
        self.heard.append(f"{name} {total}")
        yield self.heard.append


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mini").mkdir()
    for index in range(3):
        hr = np.random.default_rng(index).integers(0, 256, (40, 36, 3), dtype=np.uint8)
        write_image(tmp_path / f"mini/{index}.png", hr)
    return tmp_path


def test_scores_follow_the_protocol(folder: Path) -> None:
    dataset = load_dataset(folder, "mini", 2)
    listener = Listener()
    result = evaluate(BicubicUpscaler(2), dataset, progress=listener)
    for score, pair in zip(result.scores, dataset, strict=True):
        sr = upscale(pair.lr, 2)
        assert (score.name, score.psnr_y, score.ssim_y) == (pair.name, psnr_y(sr, pair.hr, 2), ssim_y(sr, pair.hr, 2))
        assert score.seconds > 0
    assert listener.heard == ["mini 3", *(f"{score.name} {score.psnr_y:.2f} dB" for score in result.scores)]
    assert math.isclose(result.psnr_y, sum(score.psnr_y for score in result.scores) / 3, rel_tol=1e-15 * 4)
    assert math.isclose(result.ssim_y, sum(score.ssim_y for score in result.scores) / 3, rel_tol=1e-15 * 4)
    assert result.seconds == sum(score.seconds for score in result.scores)


def test_scales_must_agree(folder: Path) -> None:
    with pytest.raises(DatasetError, match="load it at scale 2"):
        evaluate(BicubicUpscaler(2), load_dataset(folder, "mini", 4))


def test_an_output_of_the_wrong_size_is_refused(folder: Path) -> None:
    @dataclass(frozen=True)
    class Lazy:
        scale: int = 2

        def __call__(self, image: np.ndarray, /) -> np.ndarray:
            return image

    with pytest.raises(ImageError, match="18 x 20 pixels with 36 x 40"):
        evaluate(Lazy(), load_dataset(folder, "mini", 2))
