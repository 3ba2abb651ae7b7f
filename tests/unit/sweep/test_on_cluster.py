"""A sweep on a cluster of Ray gives the records of the same sweep in processes here."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from intaglio.evaluate import read_records
from intaglio.sweep import Limits, Store, plan_sweep, read_sweep, run_sweep

pytest.importorskip("ray", reason="ray is not installed (extra 'cluster')")

LIMITS = Limits(workers=2, threads=1, memory=1 << 34)


def test_records_are_those_of_processes_here(workplace: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_sweep(read_sweep(workplace.spec), workplace.folders)
    plan = replace(plan, cells=tuple(cell for cell in plan.cells if cell.method != "2dquant"))
    here, there = Store(workplace.records), Store(workplace.records.with_name("there.jsonl"))
    assert run_sweep(plan, here, LIMITS).failures == ()
    monkeypatch.chdir(workplace.records.parent)
    assert run_sweep(plan, there, LIMITS, on="ray").failures == ()
    found = [{record.key(): record for record in read_records(store.path)} for store in (here, there)]
    assert found[0].keys() == found[1].keys()
    for key, record in found[0].items():
        assert (record.psnr_y, record.per_image, record.bytes) == (
            found[1][key].psnr_y, found[1][key].per_image, found[1][key].bytes,
        )  # fmt: skip
    again = run_sweep(plan, there, LIMITS)
    assert (again.done, again.skipped) == (0, len(plan.cells))
