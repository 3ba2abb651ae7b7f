"""The files that are made from the definitions of operations are those that the definitions make."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from intaglio.packed.limits import text
from intaglio.packed.ops import MATHEMATICS, OPS

REPOSITORY = Path(__file__).parents[3]
FILES = runpy.run_path(str(REPOSITORY / "scripts" / "generate.py"))["FILES"]


@pytest.mark.parametrize("name", FILES)
def test_a_generated_file_is_what_the_definitions_make(name: str) -> None:
    assert (REPOSITORY / name).read_text(encoding="utf-8") == FILES[name](), "run scripts/generate.py"


def test_the_limits_name_everything_that_definitions_hold() -> None:
    lines = text().splitlines()
    for kind, known in OPS.items():
        rows = [line for line in lines if f'("{kind}",' in line]
        axes = sum(len(tensor.dims or ()) for tensor in known.tensors)
        assert len(rows) == 1 + len(known.attrs) + len(known.tensors) + axes + len(known.sites)


def test_one_file_holds_one_operation_and_tells_its_mathematics() -> None:
    folder = REPOSITORY / "src" / "intaglio" / "packed" / "ops"
    assert {path.stem for path in folder.glob("*.py")} == OPS.keys() | {"__init__", "shared"}
    assert all(len(text.split()) > 3 for text in MATHEMATICS.values())
