"""The command as a process: without torch, interrupted, with its reader gone, with a full standard output."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from intaglio.images import read_image

BLOCKED = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")
sys.meta_path.insert(0, Blocker())
from intaglio.cli import main
sys.exit(main())
"""


def heed_interrupts() -> None:
    """A job that a shell put into the background ignores SIGINT, and so would its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(*words: object, program: tuple[str, ...] = ("-m", "intaglio"), **options: object) -> subprocess.Popen[str]:
    command = [sys.executable, *program, *map(str, words)]
    # As in most shells: unbuffered output would meet a full disk at once, not at exit.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    return subprocess.Popen(
        command,
        text=True,
        env=environment,
        stderr=subprocess.PIPE,
        **{"stdout": subprocess.PIPE, "preexec_fn": heed_interrupts} | options,
    )  # type: ignore[call-overload,no-any-return]


def test_a_packed_model_runs_without_torch(packed: Path, picture: Path, tmp_path: Path) -> None:
    process = start("upscale", packed, picture, "-o", tmp_path / "large.png", program=("-c", BLOCKED))
    _, err = process.communicate()
    assert process.returncode == 0, err
    assert read_image(tmp_path / "large.png").shape == (26, 42, 3)


@pytest.mark.parametrize("command", ["quantize", "methods", "demo"])
def test_missing_torch_names_the_remedy(command: str, tmp_path: Path) -> None:
    words = ("x.pth",) if command == "quantize" else ()
    process = start(command, *words, program=("-c", BLOCKED), cwd=tmp_path)
    _, err = process.communicate()
    assert process.returncode == 2
    assert err == "error: this needs torch, which is not installed; run: pip install 'intaglio[quant]'\n"


def test_ctrl_c_leaves_nothing_half_written_and_can_be_resumed(
    checkpoint: Path, pictures: Path, tmp_path: Path
) -> None:
    state, model = tmp_path / "state", tmp_path / "m.intaglio"
    state.mkdir()
    settings = {"iterations": 100_000, "batch": 1, "pool": 2, "patches": 2, "patch_size": 8}
    words = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    options = ("--method", "2dquant", "--calibration", pictures, "--checkpoint-dir", state)
    process = start("quantize", checkpoint, "-o", model, *options, *words)
    deadline = time.monotonic() + 120
    while not (state / "distillation.pt").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 130
    assert out == ""
    assert err.splitlines()[-1].startswith("interrupted; nothing half-written")
    assert "Traceback" not in err
    assert [path.name for path in tmp_path.iterdir()] == ["state"]
    assert [path.name for path in state.iterdir()] == ["distillation.pt"]


def test_a_reader_that_leaves_is_no_error_message() -> None:
    process = start("version")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait() == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_standard_output_is_one_line() -> None:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    process = start("version", stdout=descriptor)
    _, err = process.communicate()
    os.close(descriptor)
    assert process.returncode == 2, err
    assert err.startswith("error: the disk is full; ")
    assert err.count("\n") == 1
