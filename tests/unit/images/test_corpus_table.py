"""The page that says what becomes of every file of the corpus is what becomes of it.

``INTAGLIO_WRITE=1 python -m pytest tests/unit/images/test_corpus_table.py`` writes it anew.
"""

from __future__ import annotations

import os
from pathlib import Path

from intaglio.images.animation import Animation
from intaglio.images.batch import Outcome, Settings, Status, run_batch
from intaglio.images.naming import plan
from intaglio.images.reading import read_still_or_moving

from .corpus import make
from .networks import Nearest

HEAD = """# What becomes of every kind of file

Each file of the corpus (`tests/unit/images/corpus.py`), enlarged by a network that repeats pixels: what it was, what
it became, its metadata, and the exit status where it is enlarged alone. `tests/unit/images/test_corpus_table.py`
writes this page, and fails when it is no longer so. See [pictures](pictures.md).

| file | in | out | metadata | exit |
|---|---|---|---|---|
"""


def row(outcome: Outcome) -> str:
    """A line of the table, read from both files."""
    name = outcome.source.name
    if outcome.status is Status.FAILED:
        reason = outcome.reason.replace(f"{outcome.source}", "it").replace(f"{outcome.source.parent}/", "")
        return f"| `{name}` | | {reason.partition(' (')[0].partition(';')[0]} | | 2 |"
    before, after = read_still_or_moving(outcome.source), read_still_or_moving(outcome.target)
    kept = []
    first, second = (one.frames[0] if isinstance(one, Animation) else one for one in (before, after))
    for what in ("icc", "exif", "xmp", "dpi"):
        was, became = getattr(first.metadata, what), getattr(second.metadata, what)
        if was is not None:
            kept.append(what if became is not None else f"no {what}")
    frames = (f", {len(one.frames)} frames" if isinstance(one, Animation) else "" for one in (before, after))
    sides = (
        f"{one.mode} {one.bits}, {one.width} × {one.height}{many}"
        for one, many in zip((first, second), frames, strict=True)
    )
    return f"| `{name}` | {next(sides)} | {next(sides)} | {', '.join(kept)} | 0 |"


def test_the_page_is_what_happens(tmp_path: Path, repository: Path) -> None:
    (tmp_path / "in").mkdir()
    make(tmp_path / "in")
    outcomes = run_batch(plan([tmp_path / "in"], tmp_path / "out", "_x2"), Nearest(), Settings())
    text = HEAD + "\n".join(row(one) for one in outcomes) + "\n"
    page = repository / "docs" / "pictures-corpus.md"
    if os.environ.get("INTAGLIO_WRITE"):
        page.write_text(text, encoding="utf-8")
    assert page.read_text(encoding="utf-8") == text
