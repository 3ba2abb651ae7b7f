"""Whatever is in a registry is tested and described: methods, architectures, operations."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from intaglio.arch import REGISTRY
from intaglio.methods import METHODS
from intaglio.packed.ops import OPS
from intaglio.runtime.reference import KERNELS

AS_2DQUANT = "as `2dquant`"
"""What a page says of settings that are described on that method's page."""


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_a_page_that_names_its_settings(repository: Path, name: str) -> None:
    pages = {path: path.read_text(encoding="utf-8") for path in (repository / "docs" / "methods").glob("*.md")}
    texts = [text for path, text in pages.items() if path.stem == name or f"`{name}`" in text.partition("\n## ")[0]]
    assert texts, f"write docs/methods/{name}.md: what it does, its paper, settings, how to run it"
    text = "".join(texts)
    if AS_2DQUANT in text:
        text += pages[repository / "docs" / "methods" / "2dquant.md"]
    settings = [field.name for field in dataclasses.fields(METHODS[name].make)]  # type: ignore[arg-type]
    assert [setting for setting in settings if f"`{setting}`" not in text] == []


@pytest.mark.parametrize("name", [entry.name for entry in REGISTRY])
def test_every_architecture_is_in_the_readme(repository: Path, name: str) -> None:
    assert name in (repository / "README.md").read_text(encoding="utf-8")


def test_every_operation_runs_in_the_reference() -> None:
    assert KERNELS.keys() == OPS.keys() - {"input", "output"}


@pytest.mark.parametrize("registry", ["METHODS", "REGISTRY"])
def test_tests_walk_the_registries(repository: Path, registry: str) -> None:
    tests = [path for path in (repository / "tests").rglob("test_*.py") if path.parent.name != "structure"]
    assert any(registry in path.read_text(encoding="utf-8") for path in tests)
