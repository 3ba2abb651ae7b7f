"""A visit to the page in headless Chromium: drop, compare pixels, cancel, wrong files, a narrow window, offline."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from intaglio.packed.examples import random_program
from intaglio.packed.format import save
from intaglio.runtime.native import NativeProgram

SITE = Path(__file__).parents[2] / "build" / "web"
SCREENSHOTS = "INTAGLIO_SCREENSHOTS"
"""Environment variable: a folder in which the screenshots stay."""


def test_a_visit(package: Path, tmp_path: Path) -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("Chromium is not on this machine")
    if not (SITE / "index.html").exists():
        pytest.skip("the page is not built; `make web` does")
    program = random_program(np.random.default_rng(0), kind="swin")
    save(program, tmp_path / "model.intaglio")
    (tmp_path / "wrong.intaglio").write_bytes((tmp_path / "model.intaglio").read_bytes()[:-5])
    (tmp_path / "wrong.txt").write_text("no picture")
    rng = np.random.default_rng(1)
    small, large = (rng.integers(0, 256, (side, side + 20, 3), np.uint8) for side in (60, 1500))
    Image.fromarray(small).save(tmp_path / "small.png")
    Image.fromarray(large).save(tmp_path / "large.png", compress_level=0)
    command = ["node", str(Path(__file__).parent / "browser.mjs"), str(SITE), str(tmp_path), chromium]
    seen = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, timeout=500).stdout)
    if folder := os.environ.get(SCREENSHOTS):
        for path in tmp_path.glob("*.png"):
            shutil.copy(path, folder)
    assert "error" not in seen, seen["error"]
    assert seen["problems"] == []
    assert "fetch it again" in seen["wrongModel"]
    assert "wrong.txt is no picture" in seen["wrongPicture"]
    assert "random-swin, 2 times" in seen["facts"]
    assert seen["line"] == "47%"
    assert not seen["overflow"]
    assert seen["cancelled"]
    assert seen["again"]
    assert seen["offline"]
    found = np.frombuffer(base64.b64decode(seen["small"]["data"]), np.uint8)
    expected = NativeProgram(program, threads=1, isa="portable").run(small)
    assert np.array_equal(found.reshape(*expected.shape[:2], 4)[..., :3], expected)
