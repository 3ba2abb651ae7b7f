"""Commands and paths that messages, help texts and pages name: all of them exist."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from intaglio.cli.app import COMMANDS

_COMMAND = re.compile(r"(?:`|^ *\$ |Example: |then: |run:? )intaglio +([a-z][a-z-]+)", re.MULTILINE)
_TARGET = re.compile(r"(?:`|^ *\$ |run:? )make +([a-z][a-z-]*)", re.MULTILINE)
_LINE = re.compile(r"^ *(intaglio|make) ", re.MULTILINE)
"""What begins a line of a page is a command of an example; in a docstring it may be prose."""
_PATH = re.compile(r"(?<![\w./-])((?:src|csrc|tests|docs|benchmarks|scripts|recipes|results)/[\w./*-]+)")
_LOOSE = re.compile(r"/(?:x|y|plain|deviations)\b|\*")
"""Paths of what a reader is to write, and patterns."""


def texts(repository: Path) -> Iterator[tuple[str, str]]:
    """(where, text) of every page, and of every string and docstring of the package, the benchmarks and the core."""
    for page in (*repository.glob("*.md"), *(repository / "docs").rglob("*.md"), *(repository / "csrc").rglob("*.md")):
        if page.name != "CHANGELOG.md":
            yield str(page.relative_to(repository)), _LINE.sub(r"$ \1 ", page.read_text(encoding="utf-8"))
    for folder in ("src", "benchmarks"):
        for path in sorted((repository / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield f"{path.relative_to(repository)}:{node.lineno}", node.value
    for pattern in ("*.cc", "*.h"):
        for path in sorted((repository / "csrc").rglob(pattern)):
            yield str(path.relative_to(repository)), path.read_text(encoding="utf-8")


def test_every_command_that_is_named_exists(repository: Path) -> None:
    wrong = {
        f"{where}: intaglio {name}"
        for where, text in texts(repository)
        for name in _COMMAND.findall(text)
        if name not in COMMANDS
    }
    assert wrong == set()


def test_every_make_target_that_is_named_exists(repository: Path) -> None:
    targets = set(re.findall(r"^([\w-]+):", (repository / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    wrong = {f"{where}: {name}" for where, text in texts(repository) for name in _TARGET.findall(text)} - {
        f"{where}: {name}" for where, _ in texts(repository) for name in targets
    }
    assert wrong == set()


def test_every_path_that_is_named_exists(repository: Path) -> None:
    wrong = set()
    for where, text in texts(repository):
        for name in _PATH.findall(text):
            path = name.rstrip(".-")
            if not _LOOSE.search(path) and not (repository / path).exists():
                wrong.add(f"{where}: {path}")
    assert wrong == set()


def test_the_patterns_see_what_they_are_for() -> None:
    assert _COMMAND.findall("give a file of `intaglio pack`; run: intaglio frob x\n    $ intaglio upscale a") == [
        "pack",
        "frob",
        "upscale",
    ]
    assert _TARGET.findall(_LINE.sub(r"$ \1 ", "`make demo`\n    make nothing")) == ["demo", "nothing"]
    assert _PATH.findall("(`src/intaglio/runtime/reference.py`)") == ["src/intaglio/runtime/reference.py"]
