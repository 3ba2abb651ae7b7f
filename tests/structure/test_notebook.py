"""The notebook of the documentation: it runs from top to bottom, and is committed without its outputs."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def cells(repository: Path) -> list[dict[str, Any]]:
    """The cells of the notebook."""
    found: list[dict[str, Any]] = json.loads((repository / "docs/notebook.ipynb").read_text(encoding="utf-8"))["cells"]
    return found


def test_it_has_no_outputs(cells: list[dict[str, Any]]) -> None:
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert [(cell["outputs"], cell["execution_count"]) for cell in code] == [([], None)] * len(code)


def test_it_runs_and_each_result_can_be_shown(cells: list[dict[str, Any]], tmp_path: Path) -> None:
    """As a kernel runs it: one namespace, and what a cell ends with is shown. No kernel is needed for that."""
    program = "\n".join(shown("".join(cell["source"])) for cell in cells if cell["cell_type"] == "code")
    (tmp_path / "notebook.py").write_text(program, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "notebook.py"], cwd=tmp_path, text=True, capture_output=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr
    assert "3 bits, learned" in done.stdout


def shown(source: str) -> str:
    """A cell whose last expression is printed."""
    last = ast.parse(source).body[-1]
    if not isinstance(last, ast.Expr):
        return source
    lines = source.splitlines()[: last.lineno - 1]
    return "\n".join([*lines, f"print(repr({ast.unparse(last.value)}))"])
