"""Two checkouts in turns: here one and the same, so that nothing differs."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from benchmarks.commits import main

from intaglio.evaluate import read_records
from intaglio.packed.examples import random_program
from intaglio.packed.format import save


@pytest.mark.skipif(shutil.which("taskset") is None, reason="turns are pinned with taskset, which is not installed")
def test_a_commit_beside_itself_makes_the_same_picture(repository: Path, tmp_path: Path) -> None:
    pytest.importorskip("intaglio.runtime._core", reason="the native core is not built")
    model, records = tmp_path / "model.intaglio", tmp_path / "commits.jsonl"
    save(random_program(np.random.default_rng(0)), model)
    side = [str(repository), str(model)]
    words = ["--before", *side, "--after", *side, "--commits", "a", "a", "--network", "random", "--scale", "2"]
    short = ["--method", "none", "--size", "16", "--runs", "1", "--pairs", "1", "--records", str(records)]
    assert main([*words, *short]) == 0
    (record,) = read_records(records)
    assert record.kind == "commits"
    assert record.extra["samples"] == 32 * 32 * 3
    assert record.extra["samples_that_differ"] == 0
