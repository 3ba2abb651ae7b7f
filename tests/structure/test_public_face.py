"""The names that ``import intaglio`` offers: each is there, documented, told to type checkers, and loaded late."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import intaglio

NAMES = sorted(set(intaglio.__all__) - {"__version__"})
WITHOUT_TORCH = (
    "Engine",
    "QuantSpec",
    "load_dataset",
    "load_engine",
    "open_model",
    "read_image",
    "read_picture",
    "write_image",
)


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_exists_and_is_documented(name: str) -> None:
    assert (getattr(intaglio, name).__doc__ or "").strip()


def test_the_stub_tells_the_same(repository: Path) -> None:
    stub = ast.parse((repository / "src/intaglio/__init__.pyi").read_text(encoding="utf-8"))
    told = {
        f"{node.module}:{alias.asname}"
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert told == {f"{room}:{name}" for name, room in intaglio._NAMES.items()}


def test_an_unknown_name_is_refused_with_those_that_exist() -> None:
    with pytest.raises(AttributeError, match="load_engine"):
        getattr(intaglio, "upscale_everything")  # noqa: B009


def test_importing_the_package_loads_no_room_and_running_models_needs_no_torch() -> None:
    program = "import sys, intaglio\nprint([name for name in sys.modules if name.startswith('intaglio.')])\n"
    program += f"for name in {WITHOUT_TORCH!r}: getattr(intaglio, name)\nprint('torch' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", program], check=True, text=True, stdout=subprocess.PIPE).stdout
    assert told.splitlines() == ["[]", "False"]
