"""Many files: which ones, where to, and that one bad file, a kill or a second run spoils nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from intaglio.errors import DatasetError, OutputError
from intaglio.images import read_image, read_picture, write_image
from intaglio.images.batch import Existing, Outcome, Settings, Status, run_batch
from intaglio.images.naming import Job, plan, tag_of
from intaglio.images.reading import read_animation
from intaglio.images.sizing import Size

from .corpus import cases, make
from .networks import Nearest

TAG = "_x2"


def small(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8))
    return path


def below(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def run(jobs: list[Job], **settings: object) -> list[Outcome]:
    return list(run_batch(jobs, Nearest(), Settings(**settings)))  # type: ignore[arg-type]


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_a_folder_keeps_its_structure_and_endings(tmp_path: Path, workers: int) -> None:
    names = ("a.png", "deep/b.webp", "deep/er/c.tif", ".hidden/d.png", "notes.txt.bak")
    for name in names[:4]:
        small(tmp_path / "in" / name)
    (tmp_path / "in" / names[4]).write_text("no picture")
    outcomes = run(plan([tmp_path / "in"], tmp_path / "out", TAG), workers=workers)
    assert [one.status for one in outcomes] == [Status.ENLARGED] * 3
    assert set(below(tmp_path / "out")) == {"a_x2.png", "deep/b_x2.webp", "deep/er/c_x2.tif"}


def test_results_inside_the_folder_are_not_enlarged_again(tmp_path: Path) -> None:
    small(tmp_path / "in/a.png")
    for _ in range(3):
        run(plan([tmp_path / "in"], tmp_path / "in/large", TAG))
    assert set(below(tmp_path / "in")) == {"a.png", "large/a_x2.png"}


def test_results_beside_their_sources_are_not_enlarged_again(tmp_path: Path) -> None:
    small(tmp_path / "a.png")
    small(tmp_path / "b_x2.png")  # looks like a result, but of nothing that is here: a source
    for _ in range(3):
        outcomes = run(plan([str(tmp_path / "*.png")], None, TAG))
    assert set(below(tmp_path)) == {"a.png", "a_x2.png", "b_x2.png", "b_x2_x2.png"}
    assert {one.reason for one in outcomes} == {"the result exists", "a result of ours"}


def test_a_source_is_never_overwritten(tmp_path: Path) -> None:
    a, b = small(tmp_path / "a.png"), small(tmp_path / "x/a_x2.png")
    with pytest.raises(OutputError, match="never overwritten"):
        plan([a], a, TAG)
    (tmp_path / "link.png").symlink_to(a)
    with pytest.raises(OutputError, match="never overwritten"):
        plan([a], tmp_path / "link.png", TAG)
    with pytest.raises(OutputError, match="place of a source"):
        plan([a, b], tmp_path / "x", TAG)


def test_two_results_never_meet(tmp_path: Path) -> None:
    inputs = [small(tmp_path / "one/a.png"), small(tmp_path / "two/a.png")]
    with pytest.raises(OutputError, match="both become"):
        plan(inputs, tmp_path, TAG)
    assert len(plan(inputs, None, TAG)) == 2


def test_nothing_to_do_is_said(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="holds no picture"):
        plan([tmp_path], None, TAG)
    with pytest.raises(DatasetError, match="check the pattern"):
        plan([str(tmp_path / "*.png")], None, TAG)


@pytest.mark.parametrize("existing", list(Existing))
def test_what_exists(tmp_path: Path, existing: Existing) -> None:
    source, target = small(tmp_path / "a.png"), small(tmp_path / "b.png", seed=1)
    before = target.read_bytes()
    (outcome,) = run([Job(source, target)], existing=existing)
    expected = {Existing.SKIP: Status.SKIPPED, Existing.OVERWRITE: Status.ENLARGED, Existing.FAIL: Status.FAILED}
    assert outcome.status is expected[existing]
    assert (target.read_bytes() == before) is (existing is not Existing.OVERWRITE)


@pytest.mark.parametrize("workers", [0, 2])
def test_the_whole_corpus_in_one_run(tmp_path: Path, workers: int) -> None:
    """Bad files are told with a reason and the rest is done; mode and depth are the source's."""
    (tmp_path / "in").mkdir()
    found = {case.name: case for case in make(tmp_path / "in")}
    outcomes = run(plan([tmp_path / "in"], tmp_path / "out", TAG), workers=workers)
    assert [one.source.name for one in outcomes] == sorted(found)
    for one in outcomes:
        case = found[one.source.name]
        assert (one.status is Status.FAILED) is bool(case.error), one
        if case.error:
            assert case.error in one.reason
            assert not one.target.exists()
            continue
        assert (one.mode, one.bits, one.frames) == (case.mode, case.bits, case.frames)
        assert case.samples is not None
        assert (one.height, one.width) == (2 * case.samples.shape[0], 2 * case.samples.shape[1])
        if case.frames > 1:
            assert read_animation(one.target).durations == (100.0, 40.0, 250.0)
        elif one.target.suffix in (".png", ".tif", ".tiff"):
            again = read_picture(one.target)
            assert (str(again.mode), again.bits) == (case.mode, case.bits)
            if not case.off:
                assert np.array_equal(again.samples, case.samples.repeat(2, axis=0).repeat(2, axis=1))
    assert sum(one.status is Status.FAILED for one in outcomes) == sum(bool(case.error) for case in cases())


def test_frames_that_repeat_are_computed_once(tmp_path: Path) -> None:
    from PIL import Image

    frames = [Image.fromarray(np.full((4, 4, 3), value, np.uint8)) for value in (0, 90, 90, 200)]
    frames[1].putpixel((0, 0), (1, 2, 3))
    frames[2].putpixel((0, 0), (1, 2, 3))
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=[50, 60, 70, 80])
    network = Nearest()
    (outcome,) = run_batch(plan([tmp_path / "a.gif"], None, TAG), network, Settings())
    assert outcome.status is Status.ENLARGED
    assert network.fast == 3
    assert sum(read_animation(outcome.target).durations) == 260


KILLED = """
import sys, time
from pathlib import Path
from intaglio.images.batch import Settings, run_batch
from intaglio.images.naming import plan
class Slow:
    scale = 2
    def __call__(self, image):
        time.sleep(0.01)
        return image.repeat(2, axis=0).repeat(2, axis=1)
for one in run_batch(plan([sys.argv[1]], Path(sys.argv[2]), "_x2"), Slow(), Settings()):
    print(one.status, flush=True)
"""


def test_kill_and_resume_gives_the_same_bytes(tmp_path: Path) -> None:
    for index in range(30):
        small(tmp_path / f"in/{index:02d}.png", seed=index)
    jobs = plan([tmp_path / "in"], tmp_path / "whole", TAG)
    assert {one.status for one in run(jobs)} == {Status.ENLARGED}
    for lines in (1, 7, 12):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, tmp_path / "in", tmp_path / "out"], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        for _ in range(lines):
            process.stdout.readline()
        time.sleep(0.003)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    half = tmp_path / "out" / f".05_x2.png.{os.urandom(4).hex()}.part"
    half.write_bytes(b"half")
    run(plan([tmp_path / "in"], tmp_path / "out", TAG))
    assert below(tmp_path / "out") == below(tmp_path / "whole")


def test_names_tell_the_size() -> None:
    assert [tag_of(Size(box=box), 2) for box in ((1920, None), (None, 1080), (8, 9))] == ["_1920x", "_x1080", "_8x9"]


def test_one_picture_may_name_its_file(tmp_path: Path) -> None:
    source = small(tmp_path / "a.png")
    (outcome,) = run(plan([source], tmp_path / "b.webp", TAG))
    assert outcome.target == tmp_path / "b.webp"
    assert read_image(tmp_path / "b.webp").shape == (8, 10, 3)
    with pytest.raises(OutputError, match="picture format"):
        plan([source], tmp_path / "b.xyz", TAG)
