"""The documentation: every page is in the navigation, every link leads somewhere, quoted code is the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import intaglio
from intaglio.cli.outputs import OUTPUTS, DryRun

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
_QUOTED = re.compile(r"`((?:csrc|src)/[\w./-]+)`[^`]*?:\n\n```cpp\n(.*?)```", re.DOTALL)
_NAVIGATION = re.compile(r"^ *- (?:.+?: +)?(\S+\.md)$", re.MULTILINE)


def pages(repository: Path) -> list[Path]:
    return sorted((repository / "docs").rglob("*.md"))


def anchors(page: Path) -> set[str]:
    """Headings as links name them: lower case, words joined by dashes, other signs dropped."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    names = {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", heading.lower())).strip("-") for heading in headings}
    return names | set(documented(page))


def documented(page: Path) -> list[str]:
    """The Python names that a page documents by their docstrings, which are anchors too."""
    return re.findall(r"^::: (\S+)$", page.read_text(encoding="utf-8"), re.MULTILINE)


def test_navigation_and_pages_are_the_same_set(repository: Path) -> None:
    text = (repository / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]
    entries = _NAVIGATION.findall(text)
    assert len(entries) == len(set(entries))
    found = [
        *pages(repository),
        *(repository / "docs").glob("*.ipynb"),
    ]  # a notebook becomes a page when the site is built
    assert set(entries) == {str(page.relative_to(repository / "docs").with_suffix(".md")) for page in found}


def test_every_relative_link_leads_somewhere(repository: Path) -> None:
    broken = []
    for page in [*pages(repository), repository / "README.md", repository / "CONTRIBUTING.md"]:
        for link in _LINK.findall(_FENCE.sub("", page.read_text(encoding="utf-8"))):
            path, _, anchor = link.partition("#")
            if re.match(r"[a-z]+:", link):
                continue
            target = page if not path else page.parent / path
            if not target.exists() or (anchor and anchor not in anchors(target)):
                broken.append(f"{page.name}: {link}")
    assert broken == []


def test_links_stay_within_the_pages(repository: Path) -> None:
    """A site is built from docs/ alone; a link out of it works in the repository only."""
    outside = [
        f"{page.name}: {link}"
        for page in pages(repository)
        for link in _LINK.findall(_FENCE.sub("", page.read_text(encoding="utf-8")))
        if not re.match(r"[a-z]+:|#", link)
        and not (page.parent / link.partition("#")[0]).resolve().is_relative_to((repository / "docs").resolve())
    ]
    assert outside == []


def test_the_page_of_python_has_every_public_name(repository: Path) -> None:
    names = [name.rpartition(".")[2] for name in documented(repository / "docs" / "api.md")]
    assert sorted(names) == sorted(set(intaglio.__all__) - {"__version__"})


@pytest.mark.parametrize("command", OUTPUTS)
def test_the_page_of_json_has_every_key(repository: Path, command: str) -> None:
    page = (repository / "docs" / "cli-json.md").read_text(encoding="utf-8")
    row = next(line for line in page.splitlines() if line.startswith(f"| `{command}` |"))
    missing = {key for form in OUTPUTS[command] for key in form.__annotations__ if f"`{key}`" not in row}
    assert missing - (set(DryRun.__annotations__) if command == "reproduce" else set()) == set()


def test_the_page_of_the_environment_has_every_variable(repository: Path) -> None:
    page = (repository / "docs" / "environment.md").read_text(encoding="utf-8")
    texts = [path.read_text(encoding="utf-8") for path in (repository / "src").rglob("*.py")]
    read = {name for text in texts for name in re.findall(r'"(INTAGLIO_[A-Z]+)"', text)}
    assert "INTAGLIO_ISA" in read
    assert {name for name in read if f"`{name}`" not in page} == set()


@pytest.mark.parametrize("name", ["add-a-kernel.md"])
def test_quoted_code_is_the_code(repository: Path, name: str) -> None:
    quotes = _QUOTED.findall((repository / "docs" / name).read_text(encoding="utf-8"))
    assert len(quotes) >= 4
    for path, quote in quotes:
        assert quote in (repository / path).read_text(encoding="utf-8"), f"{name} quotes {path}, which has changed"


def test_pages_with_examples_are_run(repository: Path) -> None:
    """Doctests of the pages are collected by pytest; this fails if that is switched off."""
    settings = (repository / "pyproject.toml").read_text(encoding="utf-8")
    assert '"--doctest-glob=*.md"' in settings
    assert re.search(r'^testpaths = \[.*"docs".*\]$', settings, re.MULTILINE)
    assert any(">>>" in page.read_text(encoding="utf-8") for page in pages(repository))
