"""The array job of a sweep: valid shell, every cell in one task, and the same records once the parts are joined."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from intaglio.cli import main
from intaglio.errors import SpecError
from intaglio.evaluate import read_records
from intaglio.sweep import plan_sweep, read_sweep
from intaglio.sweep.slurm import part_of


def test_parts_have_every_cell_once(workplace: Any) -> None:
    plan = plan_sweep(read_sweep(workplace.spec), workplace.folders)
    found = [cell.content_hash for k in range(3) for cell in part_of(plan, f"{k}/3").cells]
    assert sorted(found) == sorted(cell.content_hash for cell in plan.cells)
    for part in ("3/3", "a/b", "1", "-1/3", "0/0"):
        with pytest.raises(SpecError, match="K/N"):
            part_of(plan, part)


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_the_job_runs_as_slurm_would_run_it(workplace: Any, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    text = workplace.spec.read_text()
    workplace.spec.write_text(text[: text.rindex("[[grid]]")])
    assert main([*workplace.words("--emit", "slurm")]) == 0
    job = capfd.readouterr().out
    last = re.search(r"--array=0-(\d+)$", job, re.MULTILINE)
    assert last
    assert not workplace.records.exists()
    (tmp_path / "intaglio").write_text(f'#!/bin/bash\nexec "{sys.executable}" -m intaglio "$@"\n')
    (tmp_path / "intaglio").chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    for task in (0, int(last[1])):
        environment = {**os.environ, "PATH": path, "SLURM_ARRAY_TASK_ID": str(task)}
        subprocess.run(["bash", "-c", job], env=environment, check=True, capture_output=True)
    parts = sorted(workplace.records.parent.glob("*.part-*.jsonl"))
    assert [len(read_records(part)) for part in parts] == [1, 1]
    labels = {record.method for part in parts for record in read_records(part)}
    assert labels == {"bicubic", "minmax"}
