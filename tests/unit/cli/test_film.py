"""``intaglio upscale`` on a film."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest

from .conftest import Run


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Six small frames."""
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 16, 12, "yuv420p"
        for index in range(6):
            samples = np.full((12, 16, 3), 40 * index, np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(samples, format="rgb24")))
        out.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("model", ["packed", "bicubic"])
def test_a_film(run: Run, film: Path, tmp_path: Path, request: pytest.FixtureRequest, model: str) -> None:
    name = model if model == "bicubic" else request.getfixturevalue(model)
    done = run("upscale", name, film, "--json", tmp_path / "f.json")
    assert done.status == 0, done.err
    with av.open(str(tmp_path / "a_x2.mkv")) as opened:
        assert [(frame.width, frame.height) for frame in opened.decode(video=0)] == [(32, 24)] * 6
    assert json.loads((tmp_path / "f.json").read_text())["frames"] == 6
    assert "skipped" in run("upscale", name, film).out
    assert "exists" in run("upscale", name, film, "--existing", "fail").error


def test_a_range(run: Run, film: Path, tmp_path: Path) -> None:
    assert run("upscale", "bicubic", film, "-o", tmp_path / "b.mp4", "--frames", "2:4", "--scale", "3").status == 0
    with av.open(str(tmp_path / "b.mp4")) as opened:
        assert [(frame.width, frame.height) for frame in opened.decode(video=0)] == [(48, 36)] * 2


@pytest.mark.parametrize("words", [("-o", "a.mkv"), ("-o", "b.png"), ("--frames", "4:2"), ("--frames", "x")])
def test_words_that_mean_nothing(run: Run, film: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]) -> None:
    monkeypatch.chdir(film.parent)
    assert run("upscale", "bicubic", film, *words).error
    assert [path.name for path in film.parent.iterdir()] == ["a.mkv"]


def test_a_film_that_is_none(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"nothing")
    assert "no film" in run("upscale", "bicubic", tmp_path / "a.mp4").error
    assert "no film" in run("upscale", "bicubic", tmp_path / "missing.mp4").error
