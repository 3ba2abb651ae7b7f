"""The committed page and README say what the committed records say."""

from __future__ import annotations

from pathlib import Path

import pytest

from intaglio.results import stale

ROOT = Path(__file__).parents[3]


@pytest.mark.skipif(not (ROOT / "results").is_dir(), reason="not run from a repository")
def test_generated_texts_are_up_to_date() -> None:
    assert stale(ROOT) == (), "run: intaglio results build"
