"""A sweep as an array job of Slurm: one cell a task, each with records of its own."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path

from intaglio.errors import SpecError
from intaglio.sweep.plan import Plan

MARGIN = 3.0
"""Time asked for over the estimate, which may be an assumption on another processor."""

LEAST_MINUTES = 10


@dataclass(frozen=True)
class Array:
    """What the tasks of an array ask for, each the most that one cell takes. Units: seconds, bytes."""

    tasks: int
    seconds: float
    memory: int
    threads: int
    gpu: bool


def part_of(plan: Plan, part: str) -> Plan:
    """The cells of a plan that part ``K/N`` has, K from 0: every N-th one.

    Raises: SpecError for another text, or a part that is not there.
    """
    place, slash, count = part.partition("/")
    if not (slash and place.isdigit() and count.isdigit() and int(place) < int(count)):
        raise SpecError(f"--part {part!r}: write K/N with K from 0 to N - 1, such as 0/8.")
    return replace(plan, cells=plan.cells[int(place) :: int(count)])


def script(array: Array, words: Sequence[str], records: Path) -> str:
    """The array job: `words` are those of ``intaglio`` without ``--records`` and ``--part``.

    Each task appends to a file of its own beside `records`, since processes on several machines cannot lock one; a task
    that is started again skips what its file has. The last lines say how the files are put together.
    """
    minutes = max(LEAST_MINUTES, ceil(array.seconds * MARGIN / 60))
    parts = f"{records.with_suffix('')}.part-${{SLURM_ARRAY_TASK_ID}}{records.suffix}"
    lines = [
        "#!/bin/bash",
        "#SBATCH --job-name=intaglio",
        f"#SBATCH --array=0-{array.tasks - 1}",
        f"#SBATCH --cpus-per-task={array.threads}",
        f"#SBATCH --mem={ceil(array.memory / 2**20)}M",
        f"#SBATCH --time={minutes}",
        *(["#SBATCH --gpus-per-task=1"] if array.gpu else []),
        "set -euo pipefail",
        f"export OMP_NUM_THREADS={array.threads}",
        f'intaglio {shlex.join(words)} --records "{parts}" --part "${{SLURM_ARRAY_TASK_ID}}/{array.tasks}"',
        f"# When all tasks have ended: cat {records.with_suffix('')}.part-*{records.suffix} >> {records}",
    ]
    return "\n".join(lines) + "\n"
