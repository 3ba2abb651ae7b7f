"""Records survive the file, keep their key order, tell cells apart, and refuse damaged lines by number."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from intaglio.errors import OutputError, RecordError
from intaglio.evaluate import Calibration, Machine, Record, append_records, read_records
from intaglio.evaluate.machine import current_machine, current_versions, machine_from_cpuinfo
from intaglio.evaluate.records import _KEY_FIELDS, _TYPES

FULL = Record(
    kind="accuracy",
    network="swinir-light",
    scale=2,
    method="2dquant",
    weights_sha256="ab" * 32,
    weight_bits=4,
    act_bits=4,
    coverage="paper",
    granularity="per-tensor",
    calibration=Calibration("photos", "cd" * 32, 32),
    steps=3000,
    seed=0,
    settings={"bounds": "two-sided"},
    dataset="Set5",
    psnr_y=37.5,
    ssim_y=0.96,
    per_image={"baby": (38.0, 0.97), "Müller": (37.0, 0.95)},
    bytes=1234,
    seconds=2.5,
    extra={"note": "µ"},
)
MINIMAL = Record(kind="accuracy", network="bicubic", scale=2, method="bicubic")
OTHER_VALUES = {
    "kind": "size",
    "network": "rlfn",
    "weights_sha256": None,
    "scale": 3,
    "method": "minmax",
    "weight_bits": 2,
    "act_bits": 8,
    "coverage": "full",
    "granularity": "per-channel",
    "calibration": None,
    "steps": 0,
    "seed": 1,
    "settings": {},
    "dataset": "Set14",
    "protocol": None,
}


def test_a_file_returns_what_was_put_in(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    append_records(path, [FULL])
    append_records(path, [MINIMAL, FULL])
    assert read_records(path) == [FULL, MINIMAL, FULL]


def test_keys_stand_in_the_order_of_the_fields() -> None:
    assert list(json.loads(FULL.to_json())) == [field.name for field in dataclasses.fields(Record)]


def test_the_tables_name_every_field_once() -> None:
    names = {field.name for field in dataclasses.fields(Record)}
    assert set(_TYPES) == names
    assert names - set(_KEY_FIELDS) == {
        *("psnr_y", "ssim_y", "per_image", "bytes", "seconds", "extra", "versions", "machine", "created")
    }


@pytest.mark.parametrize("name", _KEY_FIELDS)
def test_the_key_depends_on_all_that_was_asked_for(name: str) -> None:
    assert dataclasses.replace(FULL, **{name: OTHER_VALUES[name]}).key() != FULL.key()


def test_the_key_ignores_what_came_out() -> None:
    again = dataclasses.replace(
        FULL, psnr_y=1.0, ssim_y=None, per_image=None, bytes=1, seconds=9.0, extra={}, versions={}, created="2000-01-01"
    )
    assert dataclasses.replace(again, machine=Machine("other", 64, ())).key() == FULL.key()
    assert Record.from_json(FULL.to_json()).key() == FULL.key()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_must_be_finite(value: float) -> None:
    with pytest.raises(RecordError, match="look at the run"):
        dataclasses.replace(FULL, psnr_y=value)


def test_unknown_keys_are_passed_over() -> None:
    line = json.dumps(json.loads(FULL.to_json()) | {"of the future": 1})
    assert Record.from_json(line) == FULL


@pytest.mark.parametrize("name", list(_TYPES))
def test_missing_keys_and_wrong_types_are_named_with_their_line(tmp_path: Path, name: str) -> None:
    path = tmp_path / "results.jsonl"
    data = json.loads(FULL.to_json())
    path.write_text(FULL.to_json() + "\n\n" + json.dumps(data | {name: True}) + "\n")
    with pytest.raises(RecordError, match=rf"results\.jsonl, line 3: '{name}' is True"):
        read_records(path)
    del data[name]
    path.write_text(json.dumps(data))
    with pytest.raises(RecordError, match=rf"line 1: lacks {name}"):
        read_records(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"machine": {}}, "another form"),
        ({"machine": {"cpu": "x", "cores": 1, "instruction_sets": [], "host": "y"}}, "another form"),
        ({"calibration": {"name": "x"}}, "another form"),
        ({"per_image": {"baby": [1.0]}}, "another form"),
    ],
)
def test_nested_values_of_another_form(change: dict[str, object], message: str) -> None:
    with pytest.raises(RecordError, match=message):
        Record.from_json(json.dumps(json.loads(FULL.to_json()) | change))


@pytest.mark.parametrize("line", ["{", "[]", "1", '"text"', "[" * 100_000])
def test_lines_that_are_no_objects(line: str) -> None:
    with pytest.raises(RecordError, match="delete or mend"):
        Record.from_json(line)


def test_a_missing_file_and_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="check the path"):
        read_records(tmp_path / "none.jsonl")
    with pytest.raises(OutputError, match="create the folder"):
        append_records(tmp_path / "nowhere/none.jsonl", [MINIMAL])


def test_the_machine_is_described_without_names() -> None:
    machine = current_machine()
    assert machine.cores >= 1
    assert machine.cpu
    assert {"intaglio", "python", "numpy"} <= set(current_versions())


def test_arm_listings_and_no_listing() -> None:
    assert machine_from_cpuinfo("Features\t: fp asimd asimddp\n", "aarch64", 4) == Machine(
        "aarch64", 4, ("asimd", "asimddp")
    )
    assert machine_from_cpuinfo("", "arm64", 8) == Machine("arm64", 8, ())
