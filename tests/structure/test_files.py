"""Files stay small, print nothing outside the command line, and tell nothing of the place they were written in."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest
from tests_imports import room_of, sources

MAX_LINES = 400
_CODE = (".py", ".cc", ".h", ".inc")
# Written in pieces, so that this file does not find itself.
_PLACES = re.compile(
    "|".join(("/wor" + "k/", "file:" + "///", "pypi" + r"\.org", "pythonho" + "sted", "/opt/" + "wheels"))
)


def tracked(repository: Path) -> list[Path]:
    """The files of the repository, without what git ignores."""
    listing = subprocess.run(
        ["git", "-C", str(repository), "ls-files", "-z"], check=False, capture_output=True, text=True
    )
    if listing.returncode:
        pytest.skip("not a git checkout, so its files cannot be told from build products")
    return [path for name in listing.stdout.split("\0") if name and (path := repository / name).is_file()]


def test_no_file_is_long(repository: Path) -> None:
    code = (path for path in tracked(repository) if path.suffix in _CODE)
    assert [path.name for path in code if len(path.read_text(encoding="utf-8").splitlines()) > MAX_LINES] == []


def test_only_the_command_line_prints(repository: Path) -> None:
    quiet = [path for path in sources(repository) if room_of(repository, path) != "cli"]
    printing = [
        path.name
        for path in quiet
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert printing == []


def test_no_file_names_the_place_it_was_written_in(repository: Path) -> None:
    wrong = []
    for path in tracked(repository):
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # pictures and weights
        wrong += [f"{path.name}: {found[0]}" for found in _PLACES.finditer(text)]
    assert wrong == []


def test_every_module_says_what_it_is(repository: Path) -> None:
    silent = [
        path.name
        for path in sources(repository)
        if path.read_text(encoding="utf-8").strip()
        and not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert silent == []


def test_direct_dependencies_are_pinned(repository: Path) -> None:
    import tomllib

    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"]
    asked = [*project["build-system"]["requires"], *project["project"]["dependencies"]]
    asked += [
        one
        for name in ("quant", "report", "export", "pictures", "jxl", "video", "app", "browser", "docs", "dev")
        for one in extras[name]
    ]
    names = {re.match(r"[\w-]+", one)[0].lower() for one in asked} - {"intaglio"}  # type: ignore[index]
    lines = (repository / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert names == {line.split("==")[0] for line in lines if line and not line.startswith("#")}
