"""What ``intaglio reproduce`` does with a planned table: run what is lacking, show every cell beside the paper's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from intaglio.cli.output import say, show_table, write_json
from intaglio.cli.sweeping import execute, show_plan, tell_missing
from intaglio.errors import RecipeError
from intaglio.sweep import Limits, Store
from intaglio.sweep.reproduce import Comparison, Reproduction, compare


def run_reproduction(
    reproduction: Reproduction, store: Store, limits: Limits, *, dry_run: bool, json: Path | None
) -> None:
    """Run the cells that lack records, then show the table. Raises: MethodError in the end if a cell failed."""
    tell_missing(reproduction.plan.missing)
    if dry_run:
        show_plan(reproduction.plan, store, limits, json)
        return
    outcome = execute(reproduction.plan, store, limits)
    rows = compare(reproduction, store.records())
    show_comparison(reproduction, rows)
    cells = [
        {key: value for key, value in asdict(row).items() if key != "record"}
        | {"gap": row.gap, "record": row.record.key() if row.record else None}
        for row in rows
    ]
    missing = [asdict(item) for item in reproduction.plan.missing]
    write_json(json, {"title": reproduction.table.title, "cells": cells, "missing": missing})
    outcome.require()


def show_comparison(reproduction: Reproduction, rows: Sequence[Comparison]) -> None:
    """The table with its notes; a dash where nothing is published."""
    columns = ("method", "scale", "bits", "set", "published dB", "loss", "ours dB", "loss", "gap")
    cells = [
        (
            row.label,
            f"x{row.scale}",
            str(row.bits),
            row.dataset,
            *(_decimals(value) for value in (row.published, row.published_loss, row.ours, row.ours_loss)),
            _decimals(row.gap, sign="+"),
        )
        for row in rows
    ]
    show_table(columns, cells, reproduction.table.title)
    say("loss: PSNR-Y below the float network of the same side; gap: our loss minus theirs, so that less is better.")
    for spot in reproduction.floats.values():
        say(f"ours: {spot.weights.network}, sha256 {spot.weights.sha256[:16]}; the published float network may differ.")
    pictures = {spot.cell.pictures for spot in reproduction.spots if spot.cell and spot.cell.pictures}
    for one in pictures:
        say(f"calibrated on {one.label}: {one.content.count} pictures, sha256 {one.content.sha256[:16]}")
    for note in reproduction.table.notes:
        say(f"note: {note}")


def parse_checkpoints(words: Sequence[str]) -> dict[int, str]:
    """Own networks by scale from ``SCALE=FILE`` words. Raises: RecipeError for another form.

    >>> parse_checkpoints(["2=mine.pth"])
    {2: 'mine.pth'}
    """
    found = {}
    for word in words:
        scale, equals, file = word.partition("=")
        if not (equals and file and scale.isdigit()):
            raise RecipeError(f"--checkpoint {word}: expected SCALE=FILE, as in --checkpoint 2=mine.pth.")
        found[int(scale)] = file
    return found


def _decimals(value: float | None, sign: str = "") -> str:
    return "-" if value is None else f"{value:{sign}.2f}"
