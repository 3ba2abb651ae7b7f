"""Examples in the pages that no doctest runs: their options, imports and recipes are those of the package."""

from __future__ import annotations

import ast
import re
import shlex
import tomllib
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from intaglio.cli.app import COMMANDS, command_of
from intaglio.cli.recipe import read_recipe
from intaglio.methods import make_method

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_INDENTED = re.compile(r"(?:^ {4}.*\n|^\n(?= {4}))+", re.MULTILINE)
_COMMAND = re.compile(r"(?:^|&& )(?:python -m |-m )?intaglio ([a-z]+) (.*)")
EVERYWHERE = {"-v", "-vv", "-q", "--verbose", "--quiet", "--debug", "--help", "-h"}


def pages(repository: Path) -> list[Path]:
    return [repository / "README.md", repository / "CONTRIBUTING.md", *sorted((repository / "docs").rglob("*.md"))]


def blocks(page: Path) -> Iterator[str]:
    """Every block of code, fenced or indented, without its indentation; continued lines joined."""
    text = page.read_text(encoding="utf-8")
    found = [code for _, code in _FENCE.findall(text)]
    found += [re.sub(r"^ {4}", "", block, flags=re.MULTILINE) for block in _INDENTED.findall(_FENCE.sub("", text))]
    return (re.sub(r"\\\n\s*", "", block).strip("\n") for block in found)


def options_of(command: str) -> set[str]:
    found = command_of(command)
    members = getattr(found, "commands", {}).values() or [found]
    return {name for one in members for option in one.params for name in (*option.opts, *option.secondary_opts)}


def test_every_option_in_an_example_exists(repository: Path) -> None:
    wrong, seen = [], 0
    for page in pages(repository):
        for line in (line for block in blocks(page) for line in block.splitlines()):
            for command, rest in _COMMAND.findall(line):
                known = options_of(command) | EVERYWHERE if command in COMMANDS else set()
                words = shlex.split(rest.partition(" #")[0].rstrip("\\"))
                used = [word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)]
                wrong += [f"{page.name}: intaglio {command} {word}" for word in used if word not in known]
                seen += 1
    assert wrong == []
    assert seen > 60


def is_there(module: str, name: str) -> bool:
    return hasattr(import_module(module), name) or find_spec(f"{module}.{name}") is not None


def test_every_import_in_an_example_exists(repository: Path) -> None:
    wrong, seen = [], 0
    for page in pages(repository):
        for block in blocks(page):
            lines = [
                line.removeprefix(">>> ") for line in block.splitlines() if re.match(r"(>>> )?from intaglio", line)
            ]
            for node in (node for line in lines for node in ast.walk(ast.parse(line.strip()))):
                if isinstance(node, ast.ImportFrom):
                    wrong += [
                        f"{page.name}: {one.name}" for one in node.names if not is_there(node.module or "", one.name)
                    ]
                    seen += 1
    assert wrong == []
    assert seen > 40


def test_python_without_a_prompt_is_python(repository: Path) -> None:
    for page in pages(repository):
        for language, code in _FENCE.findall(page.read_text(encoding="utf-8")):
            if language == "python" and ">>>" not in code:
                ast.parse(code)


def test_the_recipe_of_the_quickstart_is_taken(repository: Path, tmp_path: Path) -> None:
    block = next(one for one in blocks(repository / "docs" / "quickstart.md") if one.startswith("effort ="))
    assert len(tomllib.loads(block)) > 8
    path = tmp_path / "recipe.toml"
    path.write_text(block, encoding="utf-8")
    asked = read_recipe(path, {})
    make_method(asked.method or "", asked.settings)
    assert asked == read_recipe(None, {"method": "2dquant", "settings": {"iterations": 3000}})


@pytest.mark.parametrize("line", ["intaglio eval x --frob 1", "cd a && intaglio upscale x -o y"])
def test_the_pattern_sees_commands(line: str) -> None:
    assert _COMMAND.findall(line)
