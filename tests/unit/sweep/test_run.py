"""Plans, failures, and what a sweep leaves behind; cells run in real processes."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import Any

import pytest

from intaglio.errors import MethodError, RecipeError, ResumeError
from intaglio.evaluate import Record
from intaglio.sweep import Limits, State, Store, parse_sweep, plan_sweep, read_sweep, run_sweep, unfinished
from intaglio.sweep.events import Event
from intaglio.sweep.pool import run_tasks
from intaglio.sweep.worker import Failed, Task

LIMITS = Limits(workers=2, threads=1, memory=1 << 34)


def test_plan_resolves_and_lists_what_is_missing(workplace: Any) -> None:
    text = (
        workplace.spec.read_text().replace('["Set5"]', '["Set5", "Urban100"]').replace('["minmax"]', '["minmax", "x"]')
    )
    plan = plan_sweep(parse_sweep(text, "spec"), workplace.folders)
    assert [(cell.method, cell.weight_bits) for cell in plan.cells] == [
        *(("bicubic", None), ("float", None), ("minmax", 4), ("minmax", 2)),
        ("2dquant", 3),
    ]
    assert all(cell.datasets == ("Set5",) for cell in plan.cells)
    assert [item.what for item in plan.missing] == ["test set Urban100 x2", "method x"]


def test_missing_checkpoint_leaves_the_rest(workplace: Any) -> None:
    other = '[[networks]]\nname = "gone"\ncheckpoint = "gone.pth"\n\n'
    text = workplace.spec.read_text().replace("[[networks]]", other + "[[networks]]", 1)
    plan = plan_sweep(parse_sweep(text, "spec"), workplace.folders)
    assert len(plan.cells) == 5
    assert [item.what for item in plan.missing] == ["network gone"]


def test_failing_cell_is_recorded_and_does_not_stop_the_others(workplace: Any) -> None:
    # A patch larger than every calibration picture can be planned and not be run.
    old = "bits = [4, 2]\nsettings = { patches = 2, patch_size = 8 }"
    text = workplace.spec.read_text().replace(old, "settings = { patch_size = [999, 8], patches = 2 }")
    text = text[: text.rindex("[[grid]]")]
    plan = plan_sweep(parse_sweep(text, "spec"), workplace.folders)
    store, events = Store(workplace.records), list[Event]()
    outcome = run_sweep(plan, store, LIMITS, events.append)
    assert (outcome.done, outcome.skipped, len(outcome.failures)) == (3, 0, 1)
    assert "patches of 999 pixels" in outcome.failures[0][1]
    (failure,) = map(json.loads, store.failures_path.read_text().splitlines())
    assert failure["cell"] == outcome.failures[0][0].content_hash
    assert failure["error"].startswith("CalibrationError: ")
    assert sorted(event.state for event in events if event.state is not State.RUNNING) == ["done"] * 3 + ["failed"]
    with pytest.raises(MethodError, match="1 cells failed"):
        outcome.require()


def test_cell_that_dies_without_a_word_is_a_failure(workplace: Any) -> None:
    plan = plan_sweep(read_sweep(workplace.spec), workplace.folders)
    folder = workplace.records.parent
    # A label that ends the process that unpacks it, before it can send anything.
    label = _Deadly("gone")
    weights = replace(plan.cells[0].weights, network=label)
    broken = Task(replace(plan.cells[0], weights=weights), (), folder, folder, 1)
    sound = Task(plan.cells[0], ("Set5",), workplace.folders.data, folder, 1)
    ends = {update.index: update.message for update in run_tasks([broken, sound], [1, 1], LIMITS) if update.message}
    assert isinstance(ends[0], Failed)
    assert "exit status" in ends[0].message
    assert not isinstance(ends[1], Failed)


class _Deadly(str):
    def __reduce__(self) -> tuple[Any, ...]:
        return os._exit, (3,)


def test_two_sweeps_cannot_write_the_same_records(workplace: Any) -> None:
    plan = plan_sweep(read_sweep(workplace.spec), workplace.folders)
    store = Store(workplace.records)
    with store.locked(), pytest.raises(ResumeError, match="another sweep"):
        run_sweep(plan, Store(workplace.records), LIMITS)


def test_unfinished_asks_only_for_the_test_sets_that_lack(workplace: Any) -> None:
    cell = plan_sweep(read_sweep(workplace.spec), workplace.folders).cells[2]
    record: Record = cell.record("Set5", psnr_y=30.0)
    keys = frozenset({record.key()})
    (left,) = unfinished([replace(cell, datasets=("Set5", "Set14"))], keys)
    assert left.datasets == ("Set14",)
    assert unfinished([cell], keys) == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('name = "tiny"', 'name = "tiny"\nsize = 3'), "'networks.0.size': unknown key"),
        (("bits = [4, 2]", 'networks = ["big"]'), "no network is called 'big'"),
        (('datasets = ["Set5"]', "datasets = []"), "at least one"),
        (('datasets = ["Set5"]', "datasets = "), "no TOML"),
    ],
)
def test_wrong_sweep_files_are_refused(workplace: Any, change: tuple[str, str], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        parse_sweep(workplace.spec.read_text().replace(*change, 1), "spec")
