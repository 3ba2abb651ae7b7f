"""The guard names every artifact that is put into a clean picture, and only that one; light noise passes."""

from __future__ import annotations

import numpy as np
import pytest
from jaxtyping import UInt8

from intaglio.errors import ImageError, SpecError
from intaglio.evaluate.artifacts import (
    LIMITS,
    Artifacts,
    Level,
    Limit,
    Verdict,
    banding,
    colour_shift,
    inspect_artifacts,
    judge,
    overall,
    seams,
    worst_tile,
)
from intaglio.images import dead_leaves

SCALE, WINDOW = 2, 8
SIDE = 256
Picture = UInt8[np.ndarray, "h w 3"]


@pytest.fixture(scope="module")
def clean() -> Picture:
    """Leaves on the left, a coloured sky on the right: edges and texture, and a gradient that can be banded."""
    leaves = dead_leaves(SIDE, SIDE, seed=3)
    y, x = np.mgrid[:SIDE, :SIDE]
    sky = np.stack([60 + 0.3 * y, 90 + 0.35 * y + 0.05 * x, 140 + 0.3 * y], axis=-1)
    return np.where(x[..., None] < SIDE // 2, leaves, np.rint(sky)).astype(np.uint8)


def _clip(values: np.ndarray) -> Picture:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def noise(clean: Picture) -> Picture:
    return _clip(clean + np.random.default_rng(0).normal(0.0, 1.5, clean.shape))


def tint(clean: Picture) -> Picture:
    return _clip(clean + np.array([9.0, 0.0, -6.0]))


def local_tint(clean: Picture) -> Picture:
    spoilt = clean.astype(float)
    spoilt[:, 208:] += np.array([18.0, -2.0, -9.0])
    return _clip(spoilt)


def posterised(clean: Picture) -> Picture:
    return _clip(np.rint(clean / 12.0) * 12.0)


def seamed(clean: Picture) -> Picture:
    """Every window a little lighter or darker than its neighbours."""
    side = WINDOW * SCALE
    offsets = np.random.default_rng(1).uniform(-4, 4, (SIDE // side, SIDE // side))
    return _clip(clean + np.kron(offsets, np.ones((side, side)))[..., None])


def broken_tile(clean: Picture) -> Picture:
    spoilt = clean.astype(float)
    spoilt[64:128, 64:128] += np.random.default_rng(2).normal(0.0, 40.0, (64, 64, 1))
    return _clip(spoilt)


def verdict_of(spoilt: Picture, clean: Picture) -> Verdict:
    return judge(inspect_artifacts(spoilt, clean, scale=SCALE, window=WINDOW))


def named(verdict: Verdict) -> set[str]:
    return {finding.measure for finding in verdict.findings if finding.level is not Level.PASS}


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (tint, {"colour", "local-colour"}),
        (local_tint, {"colour", "local-colour"}),
        (posterised, {"banding"}),
        (seamed, {"seams"}),
        (broken_tile, {"tile-error"}),
    ],
)
def test_every_injected_artifact_is_named(clean: Picture, spoil, expected: set[str]) -> None:
    found = verdict_of(spoil(clean), clean)
    assert expected & named(found), found.reasons
    assert found.level is not Level.PASS
    unrelated = {"banding", "seams", "tile-error"} - expected
    assert not unrelated & named(found), found.reasons


@pytest.mark.parametrize("spoil", [noise, lambda picture: picture], ids=["light noise", "nothing"])
def test_light_noise_passes(clean: Picture, spoil) -> None:
    found = verdict_of(spoil(clean), clean)
    assert (found.level, found.reasons) == (Level.PASS, ())
    assert [finding.measure for finding in found.findings] == [name for name in LIMITS if name != "tile-loss"]


def test_equal_pictures_measure_nothing(clean: Picture) -> None:
    found = inspect_artifacts(clean, clean, scale=SCALE, window=WINDOW, hr=clean)
    assert found.seams is not None
    assert (found.tile.delta, found.colour.mean, found.colour.bias) == (0.0, 0.0, (0.0, 0.0, 0.0))
    assert (found.banding.share, found.seams.excess, found.seams.ratio) == (0.0, 0.0, 1.0)
    assert found.tile.rms == pytest.approx(0.0, abs=1e-3)  # a square root of a difference that rounds to about 1e-13


def test_the_worst_tile_is_found_and_placed(clean: Picture) -> None:
    tile = worst_tile(broken_tile(clean), clean)
    assert (tile.top, tile.left, tile.height, tile.width, tile.delta) == (64, 64, 64, 64, None)


def test_with_the_truth_the_worst_tile_is_where_most_was_lost(clean: Picture) -> None:
    """Moving away from float towards the truth is no loss."""
    reference = broken_tile(clean)
    found = inspect_artifacts(clean, reference, scale=SCALE, window=WINDOW, hr=clean)
    assert found.tile.delta == 0.0
    assert "tile-loss" not in named(judge(found))
    assert worst_tile(clean, reference).rms > 30


def test_banding_counts_smooth_blocks_only() -> None:
    texture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert banding(texture // 64 * 64, texture) == type(banding(texture, texture))(share=0.0, smooth=0)


@pytest.mark.parametrize("axis", [0, 1], ids=["rows", "columns"])
@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_seams_name_the_grid(axis: int, shifted: bool, scale: int) -> None:
    period = WINDOW * scale
    clean = np.full((6 * period, 6 * period, 3), 100, np.uint8)
    index = np.arange(6 * period) + (period // 2 if shifted else 0)
    steps = (index // period % 2 * 4).astype(np.uint8)
    spoilt = clean + np.expand_dims(steps, (1 - axis, 2))
    found = seams(spoilt, clean, WINDOW, scale)
    assert (found.direction, found.shifted, found.elsewhere) == ("rows" if axis == 0 else "columns", shifted, 0.0)
    assert found.at_borders == pytest.approx(4 * 219 / 255)


def test_a_checkerboard_of_subpixels_is_no_seam() -> None:
    """Pixel shuffle puts a period of `scale` into the error; that must not read as one of windows."""
    clean = np.full((128, 128, 3), 100, np.uint8)
    spoilt = clean + (np.indices((128, 128)).sum(axis=0) % 2 * 8).astype(np.uint8)[..., None]
    assert seams(spoilt, clean, WINDOW, SCALE).excess == pytest.approx(0.0, abs=1e-9)  # means of equal numbers


def test_a_small_picture_or_a_network_without_windows_has_no_seams(clean: Picture) -> None:
    small = clean[:20, :20]
    assert inspect_artifacts(small, small, scale=SCALE, window=WINDOW).seams is None
    assert inspect_artifacts(clean, clean, scale=SCALE).seams is None
    with pytest.raises(ImageError, match="larger picture"):
        seams(small, small, WINDOW, SCALE)


def test_other_sizes_are_refused(clean: Picture) -> None:
    with pytest.raises(ImageError, match="one LR picture"):
        inspect_artifacts(clean[1:], clean, scale=SCALE)


def test_the_bias_has_the_sign_of_quantized_minus_float(clean: Picture) -> None:
    middle = np.full((32, 32, 3), 100, np.uint8)
    assert colour_shift(middle + np.array([3, 0, 1], np.uint8), middle).bias == (3.0, 0.0, 1.0)


def test_one_spoilt_picture_spoils_the_set(clean: Picture) -> None:
    inspected: list[Artifacts] = [
        inspect_artifacts(picture, clean, scale=SCALE, window=WINDOW, name=name)
        for name, picture in (("good", clean), ("tinted", tint(clean)), ("noisy", noise(clean)))
    ]
    verdict = overall(judge(one) for one in inspected)
    assert verdict.level is max((judge(one).level for one in inspected), key=lambda level: level.rank)
    assert "tinted" in verdict.reasons[0]


def test_limits_are_ordered() -> None:
    with pytest.raises(SpecError):
        Limit(warn=2.0, fail=1.0)
    limit = Limit(1.0, 2.0)
    assert [limit.level(value) for value in (0.99, 1.0, 1.99, 2.0)] == ["pass", "warn", "warn", "fail"]
