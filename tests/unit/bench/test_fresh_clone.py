"""A clone of a small repository: its commands run in a bare environment, limits are handed on, failures are told."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from intaglio.evaluate import read_records

MAKEFILE = """
demo:
\t@test -z "$$SECRET" && echo "demo $$INTAGLIO_ISA $$ONEDNN_MAX_CPU_ISA"
test:
\t@echo tests; test "$$INTAGLIO_ISA" != avx2
"""


@pytest.fixture
def fresh_clone(repository: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("fresh_clone", repository / "benchmarks" / "fresh_clone.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "fresh_clone", module)  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module


def test_each_command_is_a_record_and_failures_are_told(
    fresh_clone: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    source, records = tmp_path / "source", tmp_path / "records.jsonl"
    source.mkdir()
    (source / "Makefile").write_text(MAKEFILE)
    named = ["git", "-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
    for words in (["git", "init", "-q"], ["git", "add", "."], [*named, "commit", "-qm", "first"]):
        subprocess.run(words, cwd=source, check=True)
    monkeypatch.setenv("SECRET", "of the developer's shell")
    assert fresh_clone.main([str(source), "--isa", "native", "avx2", "--records", str(records)]) == 1
    found = read_records(records)
    assert [(one.settings["isa"], one.method, one.extra["passed"]) for one in found] == [
        ("native", "make demo", True),
        ("native", "make test", True),
        ("avx2", "make demo", True),
        ("avx2", "make test", False),
    ]
    assert [one.settings["installs"] for one in found] == [True, True, False, False]
    assert found[2].extra["last_line"] == "demo avx2 AVX2"
    assert "tests" in capfd.readouterr().err
