"""Every file of the corpus: read as stated, and the same after a round trip through a network that changes nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from intaglio.errors import ImageError
from intaglio.images.animation import Animation
from intaglio.images.enlarging import enlarge
from intaglio.images.files import FORMAT_OF_SUFFIX, quiet
from intaglio.images.picture import Metadata, Picture
from intaglio.images.reading import decode, read_picture, read_still_or_moving
from intaglio.images.writing import LOSSY, MOVING, encode, encode_animation, write_picture

from .corpus import DATE, ICC, MAKER, XMP, Case, cases, exif
from .networks import Identity

CASES = cases()
GOOD = [case for case in CASES if not case.error]
DEEP = {"PNG", "TIFF"}


def test_the_corpus_is_large_and_has_every_format() -> None:
    assert len(CASES) >= 60
    assert len({case.name for case in CASES}) == len(CASES)
    assert {FORMAT_OF_SUFFIX[Path(case.name).suffix] for case in CASES} == set(FORMAT_OF_SUFFIX.values())


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case.name)
def test_reading_gives_what_is_stated(case: Case, tmp_path: Path) -> None:
    path = tmp_path / case.name
    path.write_bytes(case.data)
    found = read_still_or_moving(path)
    if case.frames > 1:
        assert isinstance(found, Animation)
        assert (len(found.frames), found.durations, found.rounds) == (case.frames, (100.0, 40.0, 250.0), 0)
        found = found.frames[-1]
    assert isinstance(found, Picture)
    assert (found.mode, found.bits) == (case.mode, case.bits)
    assert_near(found, case)
    assert_told(found.metadata, case)


@pytest.mark.parametrize("case", [case for case in CASES if case.error], ids=lambda case: case.name)
def test_what_cannot_be_read_is_refused_in_one_line(case: Case, tmp_path: Path) -> None:
    path = tmp_path / case.name
    path.write_bytes(case.data)
    with pytest.raises(ImageError, match=case.error) as caught:
        read_picture(path)
    assert "\n" not in str(caught.value)
    assert case.name in str(caught.value)


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case.name)
def test_a_network_that_changes_nothing_changes_nothing(case: Case) -> None:
    """Reading, planes, network, samples and writing in the file's own format: what was read comes back."""
    found = decode(case.data, case.name)
    if isinstance(found, Animation):
        large = Animation(tuple(enlarge(f, Identity()) for f in found.frames), found.durations, found.rounds)
        again = decode(encode_animation(large, case.name), case.name)
        assert isinstance(again, Animation)
        assert (again.durations, again.rounds) == (found.durations, found.rounds)
        assert all(same(a, b) for a, b in zip(again.frames, found.frames, strict=True))
        return
    large = enlarge(found, Identity())
    assert same(large, found), "what came out of the network"
    written = decode(encode(large, case.name), case.name)
    assert isinstance(written, Picture)
    form = FORMAT_OF_SUFFIX[Path(case.name).suffix]
    assert written.bits == found.bits
    if form not in LOSSY or form in ("WEBP", "JXL"):
        assert same(written, found)
    if form not in ("GIF", "BMP"):
        assert_told(written.metadata, case)
        assert written.metadata.icc == found.metadata.icc or form == "JXL"


def same(one: Picture, other: Picture) -> bool:
    return bool(one.mode == other.mode and np.array_equal(one.samples, other.samples))


def assert_near(found: Picture, case: Case) -> None:
    assert case.samples is not None
    step = found.top // 255
    difference = np.abs(found.samples.astype(np.int64) - case.samples)
    assert found.samples.shape == case.samples.shape
    assert difference.max() <= case.off * step


def assert_told(told: Metadata, case: Case) -> None:
    if "icc" in case.kept:
        assert told.icc == ICC
    if "xmp" in case.kept:
        assert told.xmp is not None
        assert b'tiff:Orientation="1"' in told.xmp
    if "dpi" in case.kept:
        assert told.dpi == pytest.approx((300, 300), abs=0.01)
    if "exif" in case.kept:
        assert told.exif is not None
        assert DATE.encode() in told.exif
        assert MAKER.encode() in told.exif
    if "date" in case.kept:
        assert told.exif is not None
        assert DATE.encode() in told.exif


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif", ".avif", ".jpg"])
def test_an_orientation_is_applied_once(tmp_path: Path, orientation: int, suffix: str) -> None:
    """Written with an orientation by Pillow, read, written, read: the second reading turns nothing."""
    from PIL import Image

    stored = np.zeros((4, 6, 3), np.uint8)
    stored[:2, :3] = 255
    Image.fromarray(stored).save(tmp_path / f"a{suffix}", exif=exif(orientation))
    once = read_picture(tmp_path / f"a{suffix}")
    write_picture(tmp_path / f"b{suffix}", once)
    twice = read_picture(tmp_path / f"b{suffix}")
    assert once.samples.shape == twice.samples.shape
    assert np.array_equal(once.samples > 127, twice.samples > 127)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("suffix", [".png", ".tif", ".avif"])
def test_16_bits_keep_what_came_along(suffix: str, channels: int) -> None:
    """In every mode: also gray with alpha, a TIFF that Pillow does not open."""
    told = Metadata(ICC, exif()[6:], XMP, (300.0, 300.0))
    samples = np.arange(16 * channels, dtype=np.uint16).reshape(4, 4, channels) * 1000
    found = decode(encode(Picture(samples, 16, metadata=told), f"a{suffix}"), f"a{suffix}")
    assert isinstance(found, Picture)
    assert found.metadata.xmp == XMP
    assert found.metadata.icc == ICC or channels < 3  # a profile of RGB does not fit gray
    if found.format != "TIFF" or channels != 2:  # Pillow, which reads what a TIFF says, does not open this one
        assert found.metadata.exif is not None
        assert DATE.encode() in found.metadata.exif
    if suffix != ".avif":
        assert np.array_equal(found.samples, samples)


@pytest.mark.parametrize("suffix", [s for s, form in FORMAT_OF_SUFFIX.items() if form not in MOVING])
def test_an_animation_needs_a_format_that_moves(suffix: str) -> None:
    frames = (Picture(np.zeros((2, 2, 3), np.uint8)), Picture(np.ones((2, 2, 3), np.uint8)))
    with pytest.raises(ImageError, match=r"write \.gif"):
        encode_animation(Animation(frames, (10.0, 10.0)), f"a{suffix}")


@pytest.mark.parametrize("suffix", [".jpg", ".bmp"])
def test_transparency_is_not_dropped_silently(suffix: str) -> None:
    clear = Picture(np.zeros((2, 2, 4), np.uint8))
    with pytest.raises(ImageError, match="discard alpha"):
        encode(clear, f"a{suffix}")
    encode(Picture(np.full((2, 2, 4), 255, np.uint8)), f"a{suffix}")


def test_a_depth_that_a_format_has_not() -> None:
    with pytest.raises(ImageError, match=r"PNG \(16\)"):
        encode(Picture(np.zeros((2, 2, 3), np.uint8)), "a.jpg", bits=16)


@pytest.mark.parametrize(("suffix", "bits"), [(".png", 16), (".tif", 16), (".avif", 10), (".avif", 12), (".png", 8)])
def test_a_depth_that_was_asked_for(suffix: str, bits: int) -> None:
    found = decode(encode(Picture(np.full((8, 8, 3), 128, np.uint8)), f"a{suffix}", bits=bits), f"a{suffix}")
    assert isinstance(found, Picture)
    assert found.bits == bits
    assert abs(int(found.samples[0, 0, 0]) / found.top - 128 / 255) < 2 / 255


SEEDS = [case for case in GOOD if len(case.data) < 20_000]


@pytest.mark.parametrize("suffix", sorted({Path(case.name).suffix for case in SEEDS}))
def test_damaged_files_are_refused_in_one_line(suffix: str) -> None:
    """Three bytes changed, or the end cut off: a picture, or one line that names the file."""
    rng = np.random.default_rng(7)
    seeds = [case for case in SEEDS if case.name.endswith(suffix)]
    told: list[tuple[str, str]] = []
    with quiet():
        for _ in range(60):
            case = seeds[rng.integers(len(seeds))]
            damaged = bytearray(case.data)
            for place in rng.integers(0, len(damaged), 3):
                damaged[place] = rng.integers(0, 256)
            whole = bytes(damaged[: rng.integers(1, len(damaged) + 1)] if rng.random() < 0.3 else damaged)
            try:
                decode(whole, case.name, max_pixels=1_000_000)
            except ImageError as error:
                told.append((case.name, str(error)))
    assert told
    assert all("\n" not in line and name in line for name, line in told)


MISSING = [
    ("pyvips", "png-RGB-16.png", "pictures"),
    ("pyvips", "avif-10.avif", "pictures"),
    ("pillow_jxl", "jxl-RGB.jxl", "jxl"),
]


@pytest.mark.parametrize(("module", "name", "extra"), MISSING)
def test_a_missing_library_names_its_extra(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, module: str, name: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    (case,) = [case for case in CASES if case.name == name]
    with pytest.raises(ImageError, match=rf"pip install 'intaglio\[{extra}\]'"):
        decode(case.data, name)
    if module == "pyvips":
        with pytest.raises(ImageError, match=rf"pip install 'intaglio\[{extra}\]'"):
            write_picture(tmp_path / "a.png", Picture(np.zeros((2, 2, 3), np.uint16), 16))
