"""A tiny SwinIR, its packed form, pictures, and a way to run the command line in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import save_file

from intaglio.arch.examples import random_network
from intaglio.cli import main
from intaglio.cli.outputs import validated
from intaglio.images import dead_leaves, write_image


@dataclass(frozen=True)
class Outcome:
    """What a run left behind."""

    status: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line of the error; fails if there is none or more, or a traceback."""
        assert self.status != 0
        lines = [line for line in self.err.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1, self.err
        assert "Traceback" not in self.err
        return lines[0]


Run = Callable[..., Outcome]

QUICK = ("--method", "minmax", "--set", "patches=2", "--set", "patch_size=16")
"""Options for a quantization that takes no time."""


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Run ``intaglio`` with words; what it writes to the file of ``--json`` is held to its schema."""

    def call(*words: object) -> Outcome:
        capfd.readouterr()
        status = main([str(word) for word in words])
        if "--json" in words and (path := Path(words[words.index("--json") + 1])).is_file():  # type: ignore[arg-type]
            validated(str(words[0]), json.loads(path.read_text(encoding="utf-8")))
        return Outcome(status, *capfd.readouterr())

    return call


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A float checkpoint of a tiny SwinIR x2."""
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors"
    save_file({key: value.contiguous() for key, value in random_network("SwinIR").state_dict().items()}, path)
    return path


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three small pictures."""
    folder = tmp_path_factory.mktemp("pictures")
    for seed in range(3):
        write_image(folder / f"leaves{seed}.png", dead_leaves(24, 28, seed))
    return folder


@pytest.fixture(scope="session")
def packed(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path, pictures: Path) -> Path:
    """The tiny SwinIR in 4 bits."""
    path = tmp_path_factory.mktemp("packed") / "tiny.intaglio"
    assert main(["quantize", str(checkpoint), "-o", str(path), "--calibration", str(pictures), *QUICK]) == 0
    return path


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """One picture, 13 x 21 pixels, in a folder of its own."""
    path = tmp_path / "in" / "picture.png"
    path.parent.mkdir()
    write_image(path, dead_leaves(13, 21, seed=5).astype(np.uint8))
    return path
