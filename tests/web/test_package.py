"""What `npm pack` makes of the package installs into an empty project and runs there."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from intaglio.packed.examples import random_program
from intaglio.packed.format import save
from intaglio.runtime.native import NativeProgram

SCRIPT = """
import { readFileSync, writeFileSync } from "node:fs";
import { IntaglioError, load } from "intaglio-upscale";

const model = await load(readFileSync("model.intaglio"));
const data = new Uint8Array(readFileSync("picture"));
const result = await model.upscale({ data, width: 17, height: 12 });
writeFileSync("result", result.data);
const refused = await load(new Uint8Array(5)).catch((error) => error);
const message = refused instanceof IntaglioError && refused.message;
console.log(JSON.stringify({ ...model.facts, width: result.width, refused: message }));
"""


def test_the_packed_package_runs_in_an_empty_project(package: Path, tmp_path: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not on this machine")

    def run(*command: str) -> str:
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True, timeout=120).stdout

    packed = json.loads(run(npm, "pack", "--json", "--offline", str(package)))[0]
    names = {file["path"] for file in packed["files"]}
    assert {"package.json", "README.md", "dist/index.js", "dist/index.d.ts", "dist/intaglio.wasm"} <= names
    assert all(name.startswith("dist/") or "/" not in name for name in names)
    (tmp_path / "package.json").write_text('{"name": "empty", "private": true, "type": "module"}')
    run(npm, "install", "--offline", "--no-audit", "--no-fund", f"./{packed['filename']}")

    program = random_program(np.random.default_rng(2), kind="swin")
    save(program, tmp_path / "model.intaglio")
    picture = np.full((12, 17, 4), 255, np.uint8)
    picture[..., :3] = np.random.default_rng(3).integers(0, 256, (12, 17, 3))
    (tmp_path / "picture").write_bytes(picture.tobytes())
    (tmp_path / "run.js").write_text(SCRIPT)
    answer = json.loads(run("node", "run.js"))
    assert answer["scale"] == program.scale
    assert answer["width"] == 17 * program.scale
    assert "no packed model" in answer["refused"]
    expected = NativeProgram(program, threads=1, isa="portable").run(picture[..., :3].copy())
    found = np.frombuffer((tmp_path / "result").read_bytes(), np.uint8).reshape(*expected.shape[:2], 4)
    assert np.array_equal(found[..., :3], expected)
