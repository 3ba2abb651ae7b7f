"""Writing the generated texts into a repository, and finding out whether they are stale."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from intaglio._atomic import write_text_atomic
from intaglio.errors import OutputError, RecordError
from intaglio.evaluate import Record, read_records
from intaglio.results.page import choosing_table, methods_tables, peers_tables, readme_table, results_page

START = "<!-- results:start -->"
STOP = "<!-- results:end -->"
"""What generated tables stand between in a page that has words of its own."""

SPLICED: Mapping[str, Callable[[Mapping[str, list[Record]]], str]] = MappingProxyType(
    {
        "README.md": readme_table,
        "docs/methods.md": methods_tables,
        "docs/choosing.md": choosing_table,
        "docs/speed.md": peers_tables,
    }
)
"""The pages with generated tables among words of their own."""

NOTHING = "No results are committed yet."


def build(root: Path) -> tuple[Path, ...]:
    """Write ``docs/results.md`` and the tables of the README and of the pages of `SPLICED`, from a repository's
    ``results/*.jsonl``; returns what changed.

    Raises: RecordError for a damaged record; OutputError if a file cannot be written or lacks its marks.
    """
    found = stale(root)
    for path in found:
        write_text_atomic(path, _texts(root)[path])
    return found


def stale(root: Path) -> tuple[Path, ...]:
    """The generated files whose text is not what the records say. Raises: as `build`."""
    return tuple(path for path, text in _texts(root).items() if not path.exists() or path.read_text("utf-8") != text)


def _texts(root: Path) -> dict[Path, str]:
    files = _records(root / "results")
    texts = {root / "docs" / "results.md": results_page(files)}
    for name, tables in SPLICED.items():
        if (path := root / name).exists():
            texts[path] = _spliced(path.read_text("utf-8"), tables(files), path)
    return texts


def _records(folder: Path) -> Mapping[str, list[Record]]:
    if not folder.is_dir():
        raise RecordError(f"there is no folder {folder}; run this in the root of the repository or pass --root.")
    return {path.stem: read_records(path) for path in sorted(folder.glob("*.jsonl"))}


def _spliced(page: str, text: str, path: Path) -> str:
    before, start, rest = page.partition(START)
    _, stop, after = rest.partition(STOP)
    if not (start and stop):
        raise OutputError(f"{path} has no place for the results; add the lines {START} and {STOP}.")
    return f"{before}{START}\n{text or NOTHING}\n{STOP}{after}"
