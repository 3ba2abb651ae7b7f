"""Strips of rows give what the whole picture gives, for every mode and format that streams."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from intaglio.errors import ImageError
from intaglio.images import Picture, enlarge, read_picture, write_picture
from intaglio.images.batch import Settings, Status, run_batch
from intaglio.images.naming import plan
from intaglio.images.picture import Metadata
from intaglio.images.strips import enlarge_strips, streamable, strips
from intaglio.images.writing import encode

from .corpus import ICC, MAKER, XMP, exif
from .networks import Nearest, Smooth

BOUND = 10**9


def tall(channels: int, bits: int) -> Picture:
    """Three strips and a rest; alpha clear in the first, soft in the second, opaque in the last."""
    samples = np.random.default_rng(0).integers(0, 1 << bits, (210, 9, channels))
    if channels in (2, 4):
        samples[:64, :, -1] = 0
        samples[140:, :, -1] = (1 << bits) - 1
    told = Metadata(ICC if channels > 2 else None, exif()[6:], XMP, (300.0, 300.0))
    return Picture(samples.astype(np.uint16 if bits > 8 else np.uint8), bits, metadata=told)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_strips_equal_the_whole(tmp_path: Path, channels: int, bits: int, suffix: str) -> None:
    """Bicubic looks 2 pixels far, below the halo: not one sample may differ."""
    picture = tall(channels, bits)
    write_picture(tmp_path / f"a{suffix}", picture)
    source = streamable(tmp_path / f"a{suffix}", tmp_path / f"b{suffix}", BOUND)
    if (channels, bits, suffix) == (2, 16, ".tif"):
        assert source is None  # Pillow, which reads the header, does not open this one
        return
    assert source is not None
    last, _ = enlarge_strips(source, tmp_path / f"b{suffix}", Smooth(2), halo=8, strip_pixels=1)
    again = read_picture(tmp_path / f"b{suffix}")
    assert (again.mode, again.bits) == (last.mode, last.bits) == (picture.mode, bits)
    assert np.array_equal(again.samples, enlarge(picture, Smooth(2)).samples)
    assert again.metadata.icc == picture.metadata.icc
    assert again.metadata.xmp == XMP
    assert again.metadata.dpi == pytest.approx((300, 300), abs=0.01)
    assert again.metadata.exif is not None
    assert MAKER.encode() in again.metadata.exif
    assert {path.name for path in tmp_path.iterdir()} == {f"a{suffix}", f"b{suffix}"}


def test_each_row_is_read_once_and_kept_once(tmp_path: Path) -> None:
    import pyvips

    picture = tall(3, 8)
    write_picture(tmp_path / "a.png", picture)
    source = streamable(tmp_path / "a.png", tmp_path / "b.png", BOUND)
    assert source is not None
    found = list(strips(pyvips, source, 5, 64 * 9))
    assert np.array_equal(np.concatenate([p.samples[keep] for p, keep in found]), picture.samples)
    assert all(len(p.samples) <= 3 * 64 for p, _ in found)


AT_ONCE = ["turned-6.png", "png-RGB-8-interlaced.png", "jpeg-cmyk-plain.jpg", "moving.gif", "rgb.webp"]


@pytest.mark.parametrize("name", AT_ONCE)
def test_what_cannot_be_streamed_is_read_at_once(tmp_path: Path, name: str) -> None:
    from .corpus import cases

    (case,) = [case for case in cases() if case.name == name]
    (tmp_path / name).write_bytes(case.data)
    assert streamable(tmp_path / name, tmp_path / "b.png", BOUND) is None
    (outcome,) = run_batch(plan([tmp_path / name], None, "_x2"), Nearest(), Settings(stream_above=0))
    assert outcome.status is Status.ENLARGED, outcome


def test_a_batch_streams_what_is_large(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", tall(3, 8))
    (outcome,) = run_batch(plan([tmp_path / "a.png"], None, "_x2"), Nearest(), Settings(stream_above=100))
    assert outcome.notes == ("in strips of rows",)
    assert (outcome.height, outcome.width) == (420, 18)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_truncated_file_leaves_nothing(tmp_path: Path, suffix: str) -> None:
    data = encode(tall(3, 8), f"a{suffix}")
    (tmp_path / f"a{suffix}").write_bytes(data[: len(data) // 2] if suffix == ".png" else data[:-900])
    (outcome,) = run_batch(plan([tmp_path / f"a{suffix}"], None, "_x2"), Nearest(), Settings(stream_above=100))
    assert outcome.status is Status.FAILED
    assert isinstance(outcome.error, ImageError)
    assert [path.name for path in tmp_path.iterdir()] == [f"a{suffix}"]


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", tall(3, 8))
    with pytest.raises(ImageError, match="exceeds the limit"):
        streamable(tmp_path / "a.png", tmp_path / "b.png", 100)
