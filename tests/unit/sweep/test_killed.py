"""A sweep that is killed and started again ends with the records of an unbroken one, and does nothing twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from intaglio.evaluate import Record, read_records
from intaglio.sweep import Limits, Outcome, Store, plan_sweep, read_sweep, run_sweep
from intaglio.sweep.execute import STATE

LONG = 120.0
"""Seconds after which something hangs; nothing here takes a tenth of it on an idle machine."""


def _start(words: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "intaglio", *words], stdout=subprocess.DEVNULL)


def _wait_until_distilling(records: Path, process: subprocess.Popen[bytes]) -> None:
    """Return once a distillation has written its state and other cells are finished."""
    deadline = time.monotonic() + LONG
    while time.monotonic() < deadline:
        if list(records.with_suffix(".run").glob(f"*/{STATE}")) and records.exists():
            return
        assert process.poll() is None, "the sweep ended before it could be killed"
        time.sleep(0.01)
    raise AssertionError("no distillation state was written")


def _results(records: Path) -> dict[str, tuple[Any, ...]]:
    """What was measured, by cell: everything but times, memory and dates."""
    found = read_records(records)
    assert len({record.key() for record in found}) == len(found), "a cell was measured twice"
    return {record.key(): _measured(record) for record in found}


def _measured(record: Record) -> tuple[Any, ...]:
    metrics = {key: record.extra[key] for key in ("cell", "loss_first", "loss_last") if key in record.extra}
    return record.method, record.psnr_y, record.ssim_y, record.per_image, record.bytes, metrics


def _run(workplace: Any) -> Outcome:
    """The sweep in this process, whose workers start fast once the first has."""
    plan = plan_sweep(read_sweep(workplace.spec), workplace.folders)
    return run_sweep(plan, Store(workplace.records), Limits(workers=2, threads=1, memory=1 << 34))


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_killed_sweep_resumes_to_the_same_records(workplace: Any, elsewhere: Any) -> None:
    assert _run(elsewhere) == Outcome(done=5, skipped=0, failures=())
    methods = Counter(record.method for record in read_records(elsewhere.records))
    assert methods == {"bicubic": 1, "float": 1, "minmax": 2, "2dquant": 1}

    killed = _start(workplace.words("--workers", "1"))
    _wait_until_distilling(workplace.records, killed)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait(LONG)
    before = workplace.records.read_bytes()
    finished = len(_results(workplace.records))
    assert 0 < finished < 5

    assert _run(workplace) == Outcome(done=5 - finished, skipped=finished, failures=())
    after = workplace.records.read_bytes()
    assert after.startswith(before), "finished records were touched"
    assert _results(workplace.records) == _results(elsewhere.records)
    distilled = next(record for record in read_records(workplace.records) if record.method == "2dquant")
    assert distilled.extra["resumed"] is True, "the distillation began anew instead of going on"

    assert _run(workplace) == Outcome(done=0, skipped=5, failures=())
    assert workplace.records.read_bytes() == after, "a finished sweep was run again"
