"""Contestants on one set: the right picture is shown, the guard has seen all, wrong requests name the remedy."""

from __future__ import annotations

import math

import numpy as np
import pytest

from intaglio.errors import DatasetError
from intaglio.evaluate import BicubicUpscaler, Dataset, evaluate
from intaglio.images import upscale
from intaglio.report import Comparison, Contestant, compare


def test_scores_are_those_of_the_evaluator(compared: Comparison, dataset: Dataset) -> None:
    expected = evaluate(BicubicUpscaler(2), dataset)
    for name in ("bicubic", "float"):
        found = compared.evaluations[name]
        assert [(one.name, one.psnr_y, one.ssim_y) for one in found.scores] == [
            (one.name, one.psnr_y, one.ssim_y) for one in expected.scores
        ]
    assert compared.evaluations["quantized"].psnr_y < expected.psnr_y


def test_the_views_are_the_pictures(compared: Comparison, dataset: Dataset) -> None:
    pair = dataset[1]
    assert (compared.views.name, compared.views.scale) == ("second", 2)
    assert np.array_equal(compared.views.pictures["truth"], pair.hr)
    assert np.array_equal(compared.views.pictures["float"], upscale(pair.lr, 2))
    assert [one.name for one in compared.artifacts] == ["first", "second"]


def test_without_a_name_the_picture_that_lost_most_is_shown(dataset: Dataset) -> None:
    def spoil_second(image: np.ndarray) -> np.ndarray:
        changed = upscale(image, 2)
        if np.array_equal(image, dataset[1].lr):
            changed[:64, :64] = 255 - changed[:64, :64]
        return changed

    class Spoiling:
        scale = 2

        def __call__(self, image: np.ndarray, /) -> np.ndarray:
            return spoil_second(image)

    reference = Contestant("float", BicubicUpscaler(2))
    assert compare(Contestant("q", Spoiling()), reference, dataset).views.name == "second"
    unknown = compare(Contestant("q", Spoiling()), None, dataset)
    assert (unknown.views.name, unknown.artifacts, unknown.views.artifacts) == ("first", (), None)
    assert math.isfinite(unknown.evaluations["quantized"].psnr_y)


def test_wrong_requests(dataset: Dataset) -> None:
    with pytest.raises(DatasetError, match="first, second"):
        compare(Contestant("q", BicubicUpscaler(2)), None, dataset, picture="third")
    with pytest.raises(DatasetError, match="x3"):
        compare(Contestant("q", BicubicUpscaler(3)), None, dataset)
