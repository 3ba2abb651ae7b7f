"""``intaglio upscale`` on files as people have them: what it prints, writes and returns."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from intaglio.images import Picture, read_picture, write_picture

from .conftest import Run


def noise(channels: int, bits: int = 8) -> Picture:
    kind = np.uint16 if bits > 8 else np.uint8
    return Picture(np.random.default_rng(0).integers(0, 1 << bits, (5, 7, channels)).astype(kind), bits)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Gray, 16 bits, transparent, a JPEG below, and a file that is none."""
    place = tmp_path / "in"
    (place / "deeper").mkdir(parents=True)
    write_picture(place / "gray.png", noise(1))
    write_picture(place / "deep.tif", noise(3, 16))
    write_picture(place / "icon.png", noise(4))
    write_picture(place / "deeper" / "photo.jpg", noise(3))
    (place / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    return place


def test_a_folder_with_a_bad_file(run: Run, folder: Path, tmp_path: Path) -> None:
    report = tmp_path / "u.json"
    done = run("upscale", "bicubic", folder, "-o", tmp_path / "out", "--json", report)
    assert done.status == 2
    assert "1 of 5 pictures failed" in done.error
    assert f"failed: {folder / 'broken.png'}" in done.err
    told = json.loads(report.read_text())
    assert (told["enlarged"], told["skipped"], told["failed"]) == (4, 0, 1)
    by_name = {Path(row["input"]).name: row for row in told["pictures"]}
    assert [by_name[name]["mode"] for name in ("gray.png", "deep.tif", "icon.png")] == ["gray", "RGB", "RGBA"]
    assert by_name["deep.tif"]["bits"] == read_picture(tmp_path / "out/deep_x2.tif").bits == 16
    assert "damaged" in by_name["broken.png"]["reason"]
    assert (tmp_path / "out/deeper/photo_x2.jpg").is_file()

    again = run("upscale", "bicubic", folder, "-o", tmp_path / "out", "--json", report)
    assert again.status == 2
    assert json.loads(report.read_text())["skipped"] == 4

    (folder / "broken.png").unlink()
    done = run("upscale", "bicubic", folder, "-o", tmp_path / "out", "--existing", "overwrite")
    assert done.status == 0
    assert "4 enlarged, 0 skipped, 0 failed" in done.out


@pytest.mark.parametrize(
    ("words", "name", "shape"),
    [
        (("--scale", "3"), "p_x3.png", (15, 21, 3)),
        (("--scale", "1.5"), "p_x1.5.png", (8, 11, 3)),
        (("--size", "70x"), "p_70x.png", (50, 70, 3)),
        (("--size", "x10"), "p_x10.png", (10, 14, 3)),
        (("--max-side", "10"), "p_x2_max10.png", (7, 10, 3)),
        (("--format", "webp"), "p_x2.webp", (10, 14, 3)),
    ],
)
@pytest.mark.parametrize("model", ["bicubic", "packed"])
def test_sizes_and_formats(
    run: Run, tmp_path: Path, request: pytest.FixtureRequest, model: str, words: tuple[str, ...],
    name: str, shape: tuple[int, ...],
) -> None:  # fmt: skip
    write_picture(tmp_path / "p.png", noise(3))
    done = run("upscale", model if model == "bicubic" else request.getfixturevalue(model), tmp_path / "p.png", *words)
    assert done.status == 0, done.err
    assert read_picture(tmp_path / name).samples.shape == shape


def test_gray_alpha_and_16_bits_through_a_packed_model(run: Run, packed: Path, tmp_path: Path) -> None:
    for name, channels, bits in (("gray.png", 1, 8), ("icon.png", 4, 8), ("deep.png", 3, 16), ("icon16.png", 4, 16)):
        write_picture(tmp_path / name, noise(channels, bits))
    done = run("upscale", packed, str(tmp_path / "*.png"))
    assert done.status == 0, done.err
    found = [read_picture(tmp_path / f"{stem}_x2.png") for stem in ("gray", "icon", "deep", "icon16")]
    assert [(one.samples.shape[2], one.bits) for one in found] == [(1, 8), (4, 8), (3, 16), (4, 16)]
    assert len(np.unique(found[2].samples)) > 256  # no detour over 8 bits


def test_a_depth_and_a_quality(run: Run, tmp_path: Path) -> None:
    write_picture(tmp_path / "p.png", noise(3))
    assert run("upscale", "bicubic", tmp_path / "p.png", "--depth", "16").status == 0
    assert read_picture(tmp_path / "p_x2.png").bits == 16
    sizes = []
    for quality in ("30", "95"):
        target = tmp_path / f"{quality}.jpg"
        assert run("upscale", "bicubic", tmp_path / "p.png", "-o", target, "--quality", quality).status == 0
        sizes.append(target.stat().st_size)
    assert sizes[0] < sizes[1]
    assert "16 bits" in run("upscale", "bicubic", tmp_path / "p.png", "-o", tmp_path / "a.jpg", "--depth", "16").error


def test_a_source_stays(run: Run, tmp_path: Path) -> None:
    write_picture(tmp_path / "p.png", noise(3))
    before = (tmp_path / "p.png").read_bytes()
    failed = run("upscale", "bicubic", tmp_path / "p.png", "-o", tmp_path / "p.png", "--existing", "overwrite")
    assert "never overwritten" in failed.error
    assert (tmp_path / "p.png").read_bytes() == before


def test_the_limit_is_a_setting(run: Run, tmp_path: Path) -> None:
    Image.new("L", (1100, 1000)).save(tmp_path / "p.png")
    assert "--max-pixels" in run("upscale", "bicubic", tmp_path / "p.png", "--max-pixels", "1").error
    done = run("upscale", "bicubic", tmp_path / "p.png", "--max-pixels", "2", "--max-side", "50")
    assert done.status == 0, done.err


NONSENSE = [("--size", "large"), ("--scale", "0"), ("--format", "xyz"), ("--size", "3x", "--scale", "2")]


@pytest.mark.parametrize("words", NONSENSE)
def test_words_that_mean_nothing(run: Run, tmp_path: Path, words: tuple[str, ...]) -> None:
    write_picture(tmp_path / "p.png", noise(3))
    assert run("upscale", "bicubic", tmp_path / "p.png", *words).error
    assert [path.name for path in tmp_path.iterdir()] == ["p.png"]
