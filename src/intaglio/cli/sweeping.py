"""What ``intaglio sweep`` and ``intaglio reproduce`` do with a plan: show it, or run it before a live table."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from intaglio.cli.output import duration_text, say, show_table, size_text, write_json
from intaglio.cli.sweep_table import cell_labels, shown_sweep
from intaglio.errors import SpecError
from intaglio.sweep import (
    ASSUMPTIONS,
    Estimate,
    Estimates,
    Limits,
    Missing,
    Outcome,
    Outlook,
    Plan,
    Store,
    Work,
    run_sweep,
    unfinished,
)
from intaglio.sweep.slurm import Array, script


def run_planned(
    plan: Plan, store: Store, limits: Limits, *, dry_run: bool, json: Path | None, device: str = "cpu", on: str = ""
) -> None:
    """Show what is missing, then the plan or the run. Raises: MethodError in the end if a cell failed."""
    tell_missing(plan.missing)
    if not plan.cells:
        raise SpecError("nothing of this sweep can be run here; the lines above say what is missing.")
    if dry_run:
        show_plan(plan, store, limits, json)
        return
    outcome = execute(plan, store, limits, device, on)
    say(
        f"{outcome.done} cells done, {outcome.skipped} were there already, {len(outcome.failures)} failed: {store.path}"
    )
    failures = [{"cell": cell.label, "error": message} for cell, message in outcome.failures]
    write_json(json, {"done": outcome.done, "skipped": outcome.skipped, "failed": failures})
    outcome.require()


def execute(plan: Plan, store: Store, limits: Limits, device: str = "cpu", on: str = "") -> Outcome:
    """Run a plan and show how it goes."""
    work, estimates = _outstanding(plan, store, limits)
    seconds = {item.cell.content_hash: one.seconds for item, one in zip(work, estimates, strict=True)}
    with shown_sweep(Outlook(seconds, limits.workers), cell_labels(plan.cells)) as watch:
        return run_sweep(plan, store, limits, watch, device, on)


def emit_job(plan: Plan, store: Store, limits: Limits, words: Sequence[str], device: str) -> None:
    """Print an array job of Slurm for all cells of a plan; what is missing is told on standard error."""
    for item in plan.missing:
        print(f"missing: {item.what}: {item.reason}", file=sys.stderr)
    if not plan.cells:
        raise SpecError("nothing of this sweep can be run here; the lines above say what is missing.")
    estimates = Estimates.from_records(store.records(), plan.folders.data)
    each = [estimates.cell(cell, cell.datasets, limits.threads) for cell in plan.cells]
    seconds, memory = max(one.seconds for one in each), max(one.memory for one in each)
    array = Array(len(plan.cells), seconds, memory, limits.threads, device.startswith("cuda"))
    print(script(array, words, store.path), end="")


def tell_missing(missing: Sequence[Missing]) -> None:
    """One line for each thing that is not to be had."""
    for item in missing:
        say(f"missing: {item.what}: {item.reason}")


def show_plan(plan: Plan, store: Store, limits: Limits, json: Path | None) -> None:
    """The cells that are still to be done, with estimated time and memory."""
    work, estimates = _outstanding(plan, store, limits)
    labels = cell_labels(plan.cells)
    rows = [
        (
            labels[item.cell.content_hash],
            " ".join(item.datasets),
            duration_text(one.seconds),
            "measured" if one.measured else "assumed",
            size_text(one.memory),
        )
        for item, one in zip(work, estimates, strict=True)
    ]
    show_table(("cell", "test sets", "time", "from", "memory"), rows)
    seconds = {item.cell.content_hash: one.seconds for item, one in zip(work, estimates, strict=True)}
    total = Outlook(seconds, limits.workers).left()
    say(
        f"{len(work)} of {len(plan.cells)} cells to do, about {duration_text(total)} on {limits.workers} workers of "
        f"{limits.threads} threads in {size_text(limits.memory)}"
    )
    if not all(one.measured for one in estimates):
        say(ASSUMPTIONS)
    content = [
        {
            "cell": row[0],
            "hash": item.cell.content_hash,
            "test_sets": list(item.datasets),
            "seconds": round(one.seconds, 1),
        }
        for row, item, one in zip(rows, work, estimates, strict=True)
    ]
    write_json(json, {"cells": len(plan.cells), "to_do": content, "seconds": round(total, 1)})


def _outstanding(plan: Plan, store: Store, limits: Limits) -> tuple[tuple[Work, ...], list[Estimate]]:
    records = store.records()
    work = unfinished(plan.cells, frozenset(record.key() for record in records))
    estimates = Estimates.from_records(records, plan.folders.data)
    return work, [estimates.cell(item.cell, item.datasets, limits.threads) for item in work]
