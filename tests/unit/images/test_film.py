"""A short film: frame times, sound, subtitles, chapters and colour tags are the source's; a kill costs a segment."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from intaglio.errors import ImageError
from intaglio.images.film import FilmSettings, count_frames, enlarge_film
from intaglio.images.sizing import Size

from .networks import Nearest

TIMES = [0, 40, 80, 120, 200, 240, 250, 330, 370, 500, 540, 580]  # milliseconds: a variable rate
SETTINGS = FilmSettings(crf=4, segment=5)


def film(path: Path, pixels: str = "yuv420p", codec: str = "libx264", sound: bool = True) -> Path:
    """Twelve frames, the fifth shown twice, a second of sound, a chapter, tags of BT.709."""
    with av.open(str(path), "w") as out:
        out.metadata["title"] = "a title"
        video = out.add_stream(codec, rate=25, options={"crf": "4"})
        video.width, video.height, video.pix_fmt = 32, 24, pixels
        context = video.codec_context
        context.time_base = Fraction(1, 1000)
        context.color_primaries = context.color_trc = context.colorspace = context.color_range = 1
        audio = out.add_stream("aac", rate=16000) if sound else None
        chapter = {"id": 1, "start": 0, "end": 300, "time_base": Fraction(1, 1000), "metadata": {"title": "one"}}
        out.set_chapters([chapter])
        rows, columns = np.mgrid[:24, :32]
        for index, time in enumerate(TIMES):
            level = 4 if index == 5 else index
            rgb = np.stack([columns * 6, rows * 8, np.full((24, 32), level * 16)], axis=-1).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format=pixels, dst_colorspace=1)
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        if audio is not None:
            samples = (np.sin(np.arange(16000) / 9) * 9000).astype(np.int16)[None]
            for start in range(0, 16000, 1000):
                block = av.AudioFrame.from_ndarray(samples[:, start : start + 1000], format="s16", layout="mono")
                block.sample_rate, block.pts, block.time_base = 16000, start, Fraction(1, 16000)
                out.mux(audio.encode(block))
            out.mux(audio.encode(None))
    return path


def told(path: Path) -> dict[str, object]:
    """What a film is: times of its frames in milliseconds, packets of its sound, its tags."""
    with av.open(str(path)) as opened:
        video = opened.streams.video[0]
        context = video.codec_context
        tags = [int(getattr(context, name)) for name in ("color_primaries", "color_trc", "colorspace", "color_range")]
        sound = (
            [bytes(packet) for packet in opened.demux(audio=0) if packet.dts is not None]
            if opened.streams.audio
            else []
        )
        chapters = [(c["start"] * c["time_base"], c["end"] * c["time_base"], c["metadata"]) for c in opened.chapters()]
        title = opened.metadata.get("title")
    with av.open(str(path)) as opened:
        times = [round(float(frame.pts * frame.time_base) * 1000) for frame in opened.decode(video=0)]
    return {"times": times, "tags": tags, "sound": sound, "chapters": chapters, "title": title}


def pixels(path: Path) -> np.ndarray:
    with av.open(str(path)) as opened:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in opened.decode(video=0)])


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov"])
def test_everything_but_the_pictures_is_the_sources(tmp_path: Path, suffix: str) -> None:
    source = film(tmp_path / f"a{suffix}")
    network = Nearest(2)
    done = enlarge_film(source, tmp_path / f"b{suffix}", network, SETTINGS, "nearest")
    assert told(tmp_path / f"b{suffix}") == told(source)
    assert told(source)["times"] == TIMES
    assert len(told(source)["sound"]) > 10  # type: ignore[arg-type]
    assert (done.frames, done.width, done.height) == (12, 64, 48)
    assert network.fast + network.slow == done.computed < 12  # the frame that repeats is not computed again
    large, small = pixels(tmp_path / f"b{suffix}"), pixels(source).repeat(2, axis=1).repeat(2, axis=2)
    # Chroma at half size blurs a little at the edges of repeated pixels, and both encoders round.
    assert np.abs(large.astype(int) - small).mean() < 3
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


SUBTITLES = "1\n00:00:00,040 --> 00:00:00,200\nEngraved\n\n2\n00:00:00,300 --> 00:00:00,520\nin steps of light\n"


def with_subtitles(path: Path, source: Path) -> Path:
    """`source` with a second picture's worth of text in it, each line at its time."""
    text = path.with_suffix(".srt")
    text.write_text(SUBTITLES)
    with av.open(str(source)) as film_in, av.open(str(text)) as lines, av.open(str(path), "w") as out:
        streams = [*film_in.streams, *lines.streams]
        new = {id(one): out.add_stream_from_template(one) for one in streams}
        for opened in (film_in, lines):
            for packet in opened.demux():
                if packet.size:  # the last of a stream is empty; the first of ours has no decoding time
                    packet.stream = new[id(packet.stream)]
                    out.mux(packet)
    return path


def subtitles(path: Path) -> list[tuple[float, float, bytes]]:
    """When each line begins, how long it stays, in seconds, and what it says."""
    with av.open(str(path)) as opened:
        packets = [one for one in opened.demux(subtitles=0) if one.dts is not None]
        return [(float(p.pts * p.time_base), float((p.duration or 0) * p.time_base), bytes(p)) for p in packets]


def test_subtitles_are_copied_with_their_times(tmp_path: Path) -> None:
    source = with_subtitles(tmp_path / "a.mkv", film(tmp_path / "plain.mkv"))
    enlarge_film(source, tmp_path / "b.mkv", Nearest(2), SETTINGS, "nearest")
    assert [(round(at, 3), text) for at, _, text in subtitles(source)] == [
        (0.04, b"Engraved"), (0.3, b"in steps of light"),
    ]  # fmt: skip
    assert subtitles(tmp_path / "b.mkv") == subtitles(source)
    enlarge_film(source, tmp_path / "c.mkv", Nearest(2), FilmSettings(crf=4, first=6), "nearest")
    assert [(round(at, 3), text) for at, _, text in subtitles(tmp_path / "c.mkv")] == [(0.05, b"in steps of light")]


def test_ten_bits_stay_ten_bits(tmp_path: Path) -> None:
    source = film(tmp_path / "a.mkv", "yuv420p10le", "libx265")
    network = Nearest(2)
    done = enlarge_film(source, tmp_path / "b.mkv", network, SETTINGS, "nearest")
    assert (done.pixels, done.encoder) == ("yuv420p10le", "libx265")
    assert network.fast == 0  # by planes
    assert told(tmp_path / "b.mkv") == told(source)


class KilledError(Exception):
    """What a kill looks like from inside."""


@pytest.mark.parametrize("after", [1, 6, 9])
def test_a_killed_run_goes_on_to_the_same_bytes(tmp_path: Path, after: int) -> None:
    source = film(tmp_path / "a.mkv")
    enlarge_film(source, tmp_path / "whole.mkv", Nearest(2), SETTINGS, "nearest")

    class Dying(Nearest):
        def __call__(self, image: np.ndarray, /) -> np.ndarray:
            if self.fast == after:
                raise KilledError
            return super().__call__(image)

    target = tmp_path / "b.mkv"
    with pytest.raises(KilledError):
        enlarge_film(source, target, Dying(2), SETTINGS, "nearest")
    assert not target.exists()
    (tmp_path / ".b.mkv.parts" / "000002.half").write_bytes(b"half")
    network = Nearest(2)
    done = enlarge_film(source, target, network, SETTINGS, "nearest")
    assert done.resumed in (0, 5, 10)[: 1 + after // 4]  # whole segments; what waited to be encoded is lost
    assert network.fast <= 12 - done.resumed
    assert target.read_bytes() == (tmp_path / "whole.mkv").read_bytes()


def test_segments_of_another_model_are_not_used(tmp_path: Path) -> None:
    source = film(tmp_path / "a.mkv")
    parts = tmp_path / ".b.mkv.parts"
    parts.mkdir()
    (parts / "made-of").write_text("another")
    (parts / "000000.nut").write_bytes(b"not ours")
    done = enlarge_film(source, tmp_path / "b.mkv", Nearest(2), SETTINGS, "nearest")
    assert done.resumed == 0


def test_a_range_of_frames(tmp_path: Path) -> None:
    source = film(tmp_path / "a.mkv")
    settings = FilmSettings(crf=4, first=4, last=9)
    assert count_frames(source, settings) in (0, 5)
    enlarge_film(source, tmp_path / "b.mkv", Nearest(2), settings, "nearest")
    found = told(tmp_path / "b.mkv")
    assert found["times"] == [time - TIMES[4] for time in TIMES[4:9]]
    assert 0 < len(found["sound"]) < len(told(source)["sound"])  # type: ignore[arg-type]
    with pytest.raises(ImageError, match="--frames"):
        enlarge_film(source, tmp_path / "c.mkv", Nearest(2), FilmSettings(first=50), "nearest")


def test_a_size_with_odd_sides_is_made_even(tmp_path: Path) -> None:
    source = film(tmp_path / "a.mkv", sound=False)
    done = enlarge_film(source, tmp_path / "b.mkv", Nearest(2), FilmSettings(Size(box=(None, 33))), "nearest")
    assert (done.width, done.height) == (44, 32)


@pytest.mark.parametrize("data", [b"", b"no film at all" * 100])
def test_what_is_no_film(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.mkv").write_bytes(data)
    with pytest.raises(ImageError, match="no film"):
        count_frames(tmp_path / "a.mkv", SETTINGS)
    with pytest.raises(ImageError, match="cannot be enlarged"):
        enlarge_film(tmp_path / "a.mkv", tmp_path / "b.mkv", Nearest(2), SETTINGS, "nearest")
    assert not (tmp_path / "b.mkv").exists()


def test_ten_bits_are_not_cut_to_eight(tmp_path: Path) -> None:
    class Eight:
        scale = 2

        def __call__(self, image: np.ndarray, /) -> np.ndarray:
            return image.repeat(2, axis=0).repeat(2, axis=1)

    source = film(tmp_path / "a.mkv", "yuv420p10le", "libx265", sound=False)
    with pytest.raises(ImageError, match="8-bit pictures only"):
        enlarge_film(source, tmp_path / "b.mkv", Eight(), SETTINGS, "nearest")


@pytest.mark.parametrize("degrees", [90, 180, -90])
def test_a_turned_film_comes_out_upright(tmp_path: Path, degrees: int) -> None:
    """A phone's film: the matrix of the stream says how it is to be shown."""
    with av.open(str(tmp_path / "a.mp4"), "w") as out:
        video = out.add_stream("libx264", rate=25, options={"crf": "1"})
        video.width, video.height, video.pix_fmt = 32, 16, "yuv444p"
        video.set_display_rotation(degrees)
        samples = np.zeros((16, 32, 3), np.uint8)
        samples[:8, :16] = 255  # the upper left corner is white
        out.mux(video.encode(av.VideoFrame.from_ndarray(samples, format="rgb24")))
        out.mux(video.encode(None))
    enlarge_film(tmp_path / "a.mp4", tmp_path / "b.mp4", Nearest(2), SETTINGS, "nearest")
    with av.open(str(tmp_path / "b.mp4")) as opened:
        (frame,) = opened.decode(video=0)
        shown = frame.to_ndarray(format="rgb24")
        assert frame.rotation == 0
    expected = np.rot90(samples, degrees // 90).repeat(2, axis=0).repeat(2, axis=1)
    assert shown.shape == expected.shape
    assert np.array_equal(shown > 127, expected > 127)
