"""Hashes tell cells apart, grids are products, an unfinished line is cut off and nothing else."""

from __future__ import annotations

import string
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from intaglio.evaluate import Calibration, Record, read_records
from intaglio.sweep import Cell, Outlook, Pictures, State, Store, Weights
from intaglio.sweep.events import Event
from intaglio.sweep.plan import _axes
from intaglio.sweep.specification import GridTable

WEIGHTS = Weights("net", Path("net.pth"), "ab", 2, 1000)
PICTURES = Pictures("set", Calibration("set", "cd", 3), None, 0, 3, 16, 0)
CELL = Cell(WEIGHTS, "2dquant", ("Set5",), 4, 4, "paper", "per-tensor", False, PICTURES, 0, (("iterations", 3),))

CHANGES = st.sampled_from(
    [
        {"weights": replace(WEIGHTS, sha256="ac")},
        {"weights": replace(WEIGHTS, scale=3)},
        {"method": "dobi"},
        {"weight_bits": 3},
        {"act_bits": 8},
        {"coverage": "full"},
        {"granularity": "per-channel"},
        {"share_input": True},
        {"pictures": replace(PICTURES, content=Calibration("set", "ce", 3))},
        {"seed": 1},
        {"settings": (("iterations", 4),)},
    ]
)


@given(CHANGES, CHANGES)
def test_different_cells_have_different_hashes(one: dict[str, object], other: dict[str, object]) -> None:
    hashes = {replace(CELL, **one).content_hash, replace(CELL, **other).content_hash}  # type: ignore[arg-type]
    assert len(hashes) == (1 if one == other else 2)
    assert CELL.content_hash not in hashes


def test_paths_and_test_sets_are_no_part_of_a_cell() -> None:
    moved = replace(CELL, weights=replace(WEIGHTS, path=Path("elsewhere.pth")), datasets=("Set14",))
    assert moved.content_hash == CELL.content_hash


@given(
    st.lists(st.integers(2, 8), min_size=1, max_size=3, unique=True),
    st.lists(st.integers(0, 9), min_size=1, max_size=3, unique=True),
    st.lists(st.floats(0.1, 1.0), min_size=1, max_size=3, unique=True),
)
def test_a_grid_is_the_product_of_its_lists(bits: list[int], seeds: list[int], rates: list[float]) -> None:
    grid = GridTable(methods=("m",), bits=tuple(bits), seeds=tuple(seeds), settings={"rate": tuple(rates), "k": 1})
    axes = [(axis["bits"], axis["seed"], axis["settings"]["rate"]) for axis in _axes(grid, ["c"])]
    assert len(axes) == len(set(axes)) == len(bits) * len(seeds) * len(rates)
    assert all(axis["settings"]["k"] == 1 for axis in _axes(grid, ["c"]))


@given(st.lists(st.text(string.ascii_letters, max_size=9), max_size=3), st.integers(0, 10_000), st.booleans())
def test_mend_keeps_whole_lines_only(tmp_path_factory, names: list[str], cut: int, torn: bool) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path_factory.mktemp("store") / "records.jsonl"
    lines = [Record("accuracy", name, 2, "float").to_json().encode() + b"\n" for name in names]
    tail = lines[-1][: cut % len(lines[-1])] if names and torn else b""
    path.write_bytes(b"".join(lines) + tail)
    Store(path).mend()
    whole = tail == lines[-1][:-1] if names else False
    assert [record.network for record in read_records(path)] == names + ([names[-1]] if tail and whole else [])
    assert path.read_bytes().endswith(b"\n") or not path.read_bytes()


@given(st.lists(st.floats(1.0, 1e4), min_size=1, max_size=8), st.integers(1, 4), st.floats(0.1, 10.0))
def test_time_left_scales_with_the_pace_and_ends_at_zero(seconds: list[float], workers: int, pace: float) -> None:
    cells = [replace(CELL, seed=index) for index in range(len(seconds))]
    outlook = Outlook({cell.content_hash: time for cell, time in zip(cells, seconds, strict=True)}, workers)
    first = outlook.left()
    assert first >= max(seconds)
    for index, (cell, time) in enumerate(zip(cells, seconds, strict=True)):
        outlook.hear(Event(cell, State.RUNNING))
        outlook.hear(Event(cell, State.DONE, pace * time))
        rest = seconds[index + 1 :]
        expected = pace * max(sum(rest) / workers, max(rest, default=0.0))
        assert abs(outlook.left() - expected) <= 1e-9 * (1.0 + expected)
    assert outlook.left() == 0.0
    assert outlook.counts[State.DONE] == len(seconds)


@given(st.integers(0, 50), st.integers(0, 50))
def test_steps_are_counted_in_iterations_or_in_epochs(count: int, updates: int) -> None:
    assert replace(CELL, settings=(("iterations", count),)).steps == count
    assert replace(CELL, settings=(("epochs", count), ("updates", updates))).steps == count * updates
    assert replace(CELL, method="float").steps is None
