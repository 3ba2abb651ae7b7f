"""The engine as WebAssembly under node: built by `make web`; tests are skipped with a reason where it is not."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[2]
PACKAGE = REPOSITORY / "web" / "package"


@pytest.fixture(scope="session")
def package() -> Path:
    """The built package."""
    if shutil.which("node") is None:
        pytest.skip("node is not on this machine")
    if not (PACKAGE / "dist" / "intaglio.wasm").exists():
        pytest.skip("the web package is not built; `make web` does (needs emscripten and npm)")
    return PACKAGE


Ask = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def ask(package: Path) -> Iterator[Ask]:
    """A function that asks the harness."""
    command = ["node", str(Path(__file__).parent / "harness.mjs"), str(package)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin
    assert process.stdout
    stdin, stdout = process.stdin, process.stdout

    def asked(**question: Any) -> dict[str, Any]:
        stdin.write(json.dumps(question, default=str) + "\n")
        stdin.flush()
        answer: dict[str, Any] = json.loads(stdout.readline())
        return answer

    yield asked
    stdin.close()
    assert process.wait(timeout=30) == 0
    stdout.close()
