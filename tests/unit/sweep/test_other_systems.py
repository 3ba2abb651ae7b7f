"""The commands where Linux's modules and calls are missing, as on Windows and macOS."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import intaglio
from intaglio.evaluate import read_records

SOURCES = Path(intaglio.__file__).parent
UNIX_ONLY = {"fcntl", "resource", "pwd", "grp", "termios"}

WITHOUT = """
import json, multiprocessing, os, subprocess, sys, types  # subprocess before msvcrt: that is how it knows Windows
for name in ("fcntl", "resource"):
    sys.modules[name] = None
del os.sched_getaffinity
multiprocessing.get_all_start_methods = lambda: ["spawn"]
held = []
sys.modules["msvcrt"] = types.SimpleNamespace(LK_NBLCK=2, locking=lambda *words: held.append(words))
from intaglio.cli import main
if __name__ == "__main__":
    for words in json.loads(sys.argv[1]):
        status = main(words)
        if status:
            sys.exit(f"{words}: {status}")
    print("locked", len(held))
"""


ONE_CELL = """
datasets = ["Set5"]

[[networks]]
name = "tiny"
checkpoint = "tiny.safetensors"

[calibrations.pictures]
folder = "pictures"

[[grid]]
methods = ["float"]
"""


def test_commands_run_without_what_linux_alone_has(workplace: Any, tmp_path: Path) -> None:
    workplace.spec.write_text(ONE_CELL)
    checkpoint, model, calibration = (tmp_path / name for name in ("tiny.safetensors", "m.intaglio", "calibration"))
    picture = calibration / "pictures" / "0.png"
    quick = ("--method", "minmax", "--set", "patches=2", "--set", "patch_size=8")
    commands = [
        ["version"],
        ["quantize", checkpoint, "-o", model, "--calibration", calibration / "pictures", *quick],
        ["inspect", model],
        ["upscale", model, picture, "-o", tmp_path / "large.png"],
        ["bench", model, "--size", "8x8", "--rounds", "2", "--json", tmp_path / "bench.json"],
        workplace.words("--workers", "1"),
    ]
    # A file, not -c: the processes that a sweep spawns import it again, as they do on those systems.
    program = tmp_path / "program.py"
    program.write_text(WITHOUT)
    words = json.dumps([[str(word) for word in command] for command in commands])
    done = subprocess.run([sys.executable, program, words], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "locked 1"
    assert json.loads((tmp_path / "bench.json").read_text())["peak_rss_bytes"] is None
    assert [record.method for record in read_records(workplace.records)] == ["float"]


def test_nothing_but_one_module_knows_one_system_alone() -> None:
    """A module that Windows lacks, imported at the top of another, would keep every command from starting there."""
    found = {
        f"{path.relative_to(SOURCES)} imports {name}"
        for path in SOURCES.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
        if name in UNIX_ONLY and path.name != "_system.py"
    }
    calls = {
        f"{path.relative_to(SOURCES)} calls {name}"
        for path in SOURCES.rglob("*.py")
        for name in ("sched_getaffinity", "getrusage", '"forkserver"', "os.fork(")
        if name in path.read_text(encoding="utf-8") and path.name != "_system.py"
    }
    assert found | calls == set()
