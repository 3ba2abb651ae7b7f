"""How much a command tells: -v, -vv, -q, INTAGLIO_LOG; and completion of the shell's words."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from intaglio.cli.logs import LOG_VARIABLE, is_quiet, set_up
from intaglio.errors import SpecError
from intaglio.progress import Silent


@pytest.fixture(autouse=True)
def logger(monkeypatch: pytest.MonkeyPatch) -> Iterator[logging.Logger]:
    monkeypatch.delenv(LOG_VARIABLE, raising=False)
    found = logging.getLogger("intaglio")
    before = (found.level, found.propagate, list(found.handlers))
    yield found
    found.level, found.propagate, found.handlers[:] = before


@pytest.mark.parametrize(
    ("words", "variable", "level"),
    [
        ([], None, logging.WARNING),
        (["-v"], None, logging.INFO),
        (["-vv"], None, logging.DEBUG),
        (["-q"], "debug", logging.ERROR),
        (["--quiet", "--verbose"], None, logging.INFO),
        ([], "Info", logging.INFO),
    ],
)
def test_words_come_before_the_environment(
    words: list[str],
    variable: str | None,
    level: int,
    logger: logging.Logger,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if variable is not None:
        monkeypatch.setenv(LOG_VARIABLE, variable)
    assert set_up(["upscale", *words, "m", "--json", "x"]) == ["upscale", "m", "--json", "x"]
    assert logger.level == level
    assert is_quiet() == (level == logging.ERROR)


def test_no_level_names_the_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LOG_VARIABLE, "loud")
    with pytest.raises(SpecError, match="INTAGLIO_LOG is 'loud'; choose one of debug, info, warning, error"):
        set_up([])


def test_quiet_shows_no_progress() -> None:
    from intaglio.cli.progress import shown_progress

    set_up(["-q"])
    with shown_progress() as progress:
        assert isinstance(progress, Silent)


def test_verbose_tells_on_standard_error_and_results_stay_alone(packed: Path, picture: Path, tmp_path: Path) -> None:
    words = ["upscale", packed, picture, "--existing", "overwrite", "-o", tmp_path / "large.png"]
    plain, verbose = (
        subprocess.run([sys.executable, "-m", "intaglio", *words, *more], check=True, capture_output=True, text=True)
        for more in ([], ["-v"])
    )
    assert plain.stderr == ""
    assert "intaglio.runtime.engine: SwinIR x2 runs in native" in verbose.stderr
    assert verbose.stdout.split(" in ")[0] == plain.stdout.split(" in ")[0]


def test_the_shell_completes_commands() -> None:
    asked = {"_INTAGLIO_COMPLETE": "complete_bash", "COMP_WORDS": "intaglio qu", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "intaglio"], check=False, capture_output=True, text=True, env={**os.environ, **asked}
    )
    assert done.stdout.split() == ["quantize"], done.stderr
