"""What the benchmark of a step of learning takes turns with, and what it records; no time is judged."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.learning_step import Turns, main
from safetensors.torch import save_file

from intaglio.arch.examples import random_network
from intaglio.evaluate import read_records
from intaglio.images import dead_leaves, write_image


def test_other_work_follows_each_step_of_learning_alone() -> None:
    calls = list[int]()
    turns = Turns(lambda: calls.append(len(turns.learning)))
    for name, units in (("bounds", 3), ("distillation", 2)):
        with turns.stage(name, units) as advance:
            for _ in range(units):
                advance("")
    assert calls == [1, 2]
    assert len(turns.learning) == len(turns.others) == 2


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    checkpoint, pictures = tmp_path / "tiny.safetensors", tmp_path / "pictures"
    save_file({key: value.contiguous() for key, value in random_network("SwinIR").state_dict().items()}, checkpoint)
    pictures.mkdir()
    write_image(pictures / "one.png", dead_leaves(24, 24, seed=1))
    return [str(checkpoint), "--calibration", str(pictures), "--batch", "1", "--size", "16", "--steps", "3"]


def test_a_record_has_the_ratio_of_both(words: list[str], tmp_path: Path) -> None:
    records = tmp_path / "records.jsonl"
    assert main([*words, "--method", "2dquant", "--records", str(records)]) == 0
    (record,) = read_records(records)
    assert (record.kind, record.method, record.steps) == ("speed", "2dquant", 3)
    assert record.seconds == pytest.approx(record.extra["ratio"] * record.extra["float_step_seconds"])


def test_a_method_that_does_not_learn_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--method", "dobi"]) == 2
    assert "name a method that learns" in capsys.readouterr().err
