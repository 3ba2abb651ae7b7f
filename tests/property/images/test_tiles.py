"""Tiles cover a picture once; cutting and merging is the identity; tiled equals whole for local operations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intaglio.errors import ImageError
from intaglio.images import apply_tiled, cut, merge, pad_to_multiple, plan_tiles


@st.composite
def tilings(draw: st.DrawFn) -> tuple[int, int, int, int]:
    size = draw(st.integers(1, 16))
    return draw(st.integers(1, 40)), draw(st.integers(1, 40)), size, draw(st.integers(0, size - 1))


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height * 97 + width).integers(0, 256, (height, width, 3), dtype=np.uint8)


@given(tilings())
def test_cut_then_merge_is_the_identity(tiling: tuple[int, int, int, int]) -> None:
    height, width, size, overlap = tiling
    image = noise(height, width)
    tiles = plan_tiles(height, width, size, overlap)
    assert np.array_equal(merge([(t, cut(image, t)) for t in tiles], height, width), image)


@given(tilings())
def test_cores_partition_the_picture_and_keep_their_distance(tiling: tuple[int, int, int, int]) -> None:
    height, width, size, overlap = tiling
    seen = np.zeros((height, width), int)
    for tile in plan_tiles(height, width, size, overlap):
        rows, columns = tile.rows, tile.columns
        seen[rows.core_start : rows.core_stop, columns.core_start : columns.core_stop] += 1
        for span, length in ((rows, height), (columns, width)):
            assert span.stop - span.start == min(size, length)
            assert span.start == 0 or span.core_start - span.start >= overlap // 2
            assert span.stop == length or span.stop - span.core_stop >= overlap // 2
    assert (seen == 1).all()


@given(tilings(), st.integers(1, 3))
def test_tiled_equals_whole_for_a_pointwise_enlargement(tiling: tuple[int, int, int, int], scale: int) -> None:
    height, width, size, overlap = tiling
    image = noise(height, width)

    def enlarge(part: np.ndarray) -> np.ndarray:
        return (255 - part).repeat(scale, axis=0).repeat(scale, axis=1)

    assert np.array_equal(apply_tiled(enlarge, image, size, overlap, scale), enlarge(image))


@given(st.integers(1, 40), st.integers(1, 40))
def test_tiled_equals_whole_for_a_local_filter(height: int, width: int) -> None:
    image = noise(height, width)

    def spread(part: np.ndarray) -> np.ndarray:  # each sample sees its 5 x 5 neighbours: 2 pixels away
        padded = np.pad(part, ((2, 2), (2, 2), (0, 0)), mode="edge")
        h, w = part.shape[:2]
        return np.maximum.reduce([padded[i : i + h, j : j + w] for i in range(5) for j in range(5)])

    assert np.array_equal(apply_tiled(spread, image, size=9, overlap=4, scale=1), spread(image))


@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 24))
def test_padding_mirrors_with_the_edge_repeated(height: int, width: int, multiple: int) -> None:
    image = noise(height, width)
    padded = pad_to_multiple(image, multiple)
    assert padded.shape[0] % multiple == padded.shape[1] % multiple == 0
    assert padded.shape[0] - height < multiple
    assert padded.shape[1] - width < multiple
    row, column = (np.arange(n) % (2 * m) for n, m in ((padded.shape[0], height), (padded.shape[1], width)))
    row, column = np.minimum(row, 2 * height - 1 - row), np.minimum(column, 2 * width - 1 - column)
    assert np.array_equal(padded, image[row][:, column])


def test_a_fitting_picture_is_not_copied() -> None:
    image = noise(16, 8)
    assert pad_to_multiple(image, 8) is image


@pytest.mark.parametrize(("size", "overlap"), [(8, 8), (8, -1), (0, 0)])
def test_an_overlap_must_fit(size: int, overlap: int) -> None:
    with pytest.raises(ImageError, match="larger tiles or less overlap"):
        plan_tiles(20, 20, size, overlap)


def test_a_piece_of_the_wrong_size_is_refused() -> None:
    tiles = plan_tiles(8, 8, 8, 0)
    with pytest.raises(ImageError, match="not \\(16, 16\\)"):
        merge([(tiles[0], noise(8, 8))], 8, 8, scale=2)
    with pytest.raises(ImageError, match="No tile"):
        merge([], 0, 0)
