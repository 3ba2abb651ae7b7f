"""Pictures survive a round trip, and each kind of unsuitable file is refused in one line with its remedy."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from intaglio.errors import DatasetError, ImageError, OutputError
from intaglio.images import SUFFIXES, list_images, read_image, write_image

PICTURE = np.random.default_rng(0).integers(0, 256, (7, 5, 3), dtype=np.uint8)
LOSSLESS = [suffix for suffix in SUFFIXES if not suffix.startswith(".j")]


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    body = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", body) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("suffix", LOSSLESS)
def test_lossless_formats_return_the_same_samples(tmp_path: Path, suffix: str) -> None:
    write_image(tmp_path / f"p{suffix}", PICTURE)
    assert np.array_equal(read_image(tmp_path / f"p{suffix}"), PICTURE)


def test_jpeg_is_close_on_a_smooth_picture(tmp_path: Path) -> None:
    ramp = np.broadcast_to(np.arange(0, 256, 4, dtype=np.uint8)[:, None, None], (64, 64, 3))
    write_image(tmp_path / "p.jpg", np.ascontiguousarray(ramp))
    # Quality 95 divides the low frequencies by 2 at most; half of that, over a few coefficients, stays below 4.
    assert np.abs(read_image(tmp_path / "p.jpg").astype(int) - ramp).max() <= 4


def test_quality_makes_webp_lossy_and_jpeg_smaller(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for name, quality in (("a.webp", 50), ("b.webp", None), ("a.jpg", 50), ("b.jpg", None)):
        write_image(tmp_path / name, noise, quality=quality)
    assert (tmp_path / "a.webp").stat().st_size < (tmp_path / "b.webp").stat().st_size
    assert (tmp_path / "a.jpg").stat().st_size < (tmp_path / "b.jpg").stat().st_size


@pytest.mark.parametrize(("name", "quality"), [("p.png", 90), ("p.jpg", 0), ("p.webp", 101)])
def test_quality_outside_its_domain(tmp_path: Path, name: str, quality: int) -> None:
    with pytest.raises(ImageError, match="1 to 100"):
        write_image(tmp_path / name, PICTURE, quality=quality)


def test_the_content_decides_the_format(tmp_path: Path) -> None:
    write_image(tmp_path / "p.png", PICTURE)
    (tmp_path / "p.png").rename(tmp_path / "p.jpg")
    assert np.array_equal(read_image(tmp_path / "p.jpg"), PICTURE)


def test_exif_orientation_is_honoured(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees clockwise to see it upright
    Image.fromarray(PICTURE).save(tmp_path / "p.png", exif=exif)
    assert np.array_equal(read_image(tmp_path / "p.png"), np.rot90(PICTURE, -1))


def test_a_palette_is_expanded(tmp_path: Path) -> None:
    Image.fromarray(PICTURE).quantize(16).save(tmp_path / "p.png")
    assert read_image(tmp_path / "p.png").shape == PICTURE.shape


def test_gray_is_expanded_only_on_request(tmp_path: Path) -> None:
    Image.fromarray(PICTURE[..., 0]).save(tmp_path / "p.png")
    with pytest.raises(ImageError, match=r"gray.*convert it to RGB"):
        read_image(tmp_path / "p.png")
    assert np.array_equal(read_image(tmp_path / "p.png", expand_gray=True), np.repeat(PICTURE[..., :1], 3, axis=2))


@pytest.mark.parametrize(
    ("mode", "suffix", "remedy"),
    [
        ("RGBA", ".png", "flatten"),
        ("LA", ".png", "flatten"),
        ("RGBA", ".webp", "flatten"),
        ("1", ".png", "convert it to RGB"),
        ("CMYK", ".jpg", "CMYK; convert"),
        ("I;16", ".png", "16 bits"),
        ("F", ".tif", "32 bits"),
        ("LAB", ".tif", "Lab"),
    ],
)
def test_other_modes_are_refused(tmp_path: Path, mode: str, suffix: str, remedy: str) -> None:
    path = tmp_path / f"p{suffix}"
    Image.new(mode, (4, 4)).save(path)
    if mode == "RGBA" and suffix == ".webp":  # an opaque alpha channel is dropped by the encoder
        Image.fromarray(np.zeros((4, 4, 4), np.uint8)).save(path, lossless=True)
    with pytest.raises(ImageError, match=f"{path.name}.*{remedy}"):
        read_image(path)


def test_a_transparent_colour_is_refused(tmp_path: Path) -> None:
    Image.fromarray(PICTURE).save(tmp_path / "p.png", transparency=(1, 2, 3))
    with pytest.raises(ImageError, match="flatten"):
        read_image(tmp_path / "p.png")


def test_16_bit_colour_png_is_not_truncated_silently(tmp_path: Path) -> None:
    row = b"\0" + bytes(range(12))
    body = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)
    chunks = [(b"IHDR", body), (b"IDAT", zlib.compress(row)), (b"IEND", b"")]
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(b)) + k + b + struct.pack(">I", zlib.crc32(k + b)) for k, b in chunks
    )
    (tmp_path / "p.png").write_bytes(data)
    with pytest.raises(ImageError, match="16 bits"):
        read_image(tmp_path / "p.png")


def test_16_bit_colour_tiff_is_not_truncated_silently(tmp_path: Path) -> None:
    def entry(tag: int, kind: int, count: int, value: int) -> bytes:
        return struct.pack("<HHII", tag, kind, count, value)

    tags = [(256, 3, 1, 1), (257, 3, 1, 1), (258, 3, 3, 134), (259, 3, 1, 1), (262, 3, 1, 2)]
    tags += [(273, 4, 1, 140), (277, 3, 1, 3), (278, 3, 1, 1), (279, 4, 1, 6), (284, 3, 1, 1)]
    head = struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + b"".join(entry(*t) for t in tags) + bytes(4)
    (tmp_path / "p.tif").write_bytes(head + struct.pack("<3H", 16, 16, 16) + bytes(6))
    with pytest.raises(ImageError, match="16 bits"):
        read_image(tmp_path / "p.tif")


def test_animations_are_refused(tmp_path: Path) -> None:
    frames = [Image.fromarray(PICTURE), Image.fromarray(255 - PICTURE)]
    frames[0].save(tmp_path / "p.webp", save_all=True, append_images=frames[1:])
    with pytest.raises(ImageError, match="split"):
        read_image(tmp_path / "p.webp")


@pytest.mark.parametrize(("width", "height"), [(8193, 8192), (12000, 10000), (2**31 - 1, 2**31 - 1)])
def test_a_bomb_is_refused_before_decoding(tmp_path: Path, width: int, height: int) -> None:
    (tmp_path / "p.png").write_bytes(png_header(width, height))
    with pytest.raises(ImageError, match="exceeds the limit"):
        read_image(tmp_path / "p.png")


def test_missing_folder_and_foreign_files(tmp_path: Path) -> None:
    (tmp_path / "p.png").write_text("not a picture")
    with pytest.raises(ImageError, match=r"no PNG, JPEG"):
        read_image(tmp_path / "p.png")
    with pytest.raises(ImageError, match="no picture at"):
        read_image(tmp_path / "missing.png")
    with pytest.raises(ImageError, match="is a folder or a device"):
        read_image(tmp_path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_truncation_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"p{suffix}"
    write_image(path, np.random.default_rng(2).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ImageError, match="damaged"):
        read_image(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_damaged_bytes_never_escape_the_error_family(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"p{suffix}"
    write_image(path, PICTURE)
    whole = bytearray(path.read_bytes())
    rng = np.random.default_rng(3)
    outcomes = []
    for _ in range(150):
        damaged = bytearray(whole)
        for position in rng.integers(0, len(whole), 3):
            damaged[position] = rng.integers(0, 256)
        path.write_bytes(damaged)
        outcomes.append(outcome(path))
    assert set(outcomes) <= {"picture", "one line"}


def outcome(path: Path) -> str:
    try:
        read_image(path)
    except ImageError as error:
        return "one line" if "\n" not in str(error) else "several lines"
    return "picture"


@pytest.mark.parametrize("name", ["p.gif", "p", "p.intaglio"])
def test_an_unknown_ending_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ImageError, match=r"\.png"):
        write_image(tmp_path / name, PICTURE)
    assert not list(tmp_path.iterdir())


def test_too_large_for_the_format(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"write \.png"):
        write_image(tmp_path / "p.webp", np.zeros((1, 16384, 3), np.uint8))
    assert not list(tmp_path.iterdir())


def test_writing_needs_a_folder(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="create the folder"):
        write_image(tmp_path / "nowhere" / "p.png", PICTURE)


def test_an_empty_picture_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"shape \(0, 3, 3\)"):
        write_image(tmp_path / "p.png", np.zeros((0, 3, 3), np.uint8))


def test_list_images_sorts_and_filters(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.webp", ".hidden.png", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    assert [p.name for p in list_images(tmp_path)] == ["a.webp", "b.PNG"]


def test_list_images_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="holds no picture"):
        list_images(tmp_path)
    with pytest.raises(DatasetError, match="no folder at"):
        list_images(tmp_path / "nowhere")


def test_bytes_are_deterministic(tmp_path: Path) -> None:
    for suffix in SUFFIXES:
        write_image(tmp_path / f"a{suffix}", PICTURE)
        write_image(tmp_path / f"b{suffix}", PICTURE)
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()
    assert Image.open(io.BytesIO((tmp_path / "a.tif").read_bytes())).info["compression"] == "tiff_adobe_deflate"
