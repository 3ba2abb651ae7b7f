"""The verdict of the artifact guard on the command line: as lines, and as JSON values."""

from __future__ import annotations

from typing import Any

from intaglio.cli.output import say
from intaglio.evaluate.artifacts import Verdict


def say_verdict(verdict: Verdict) -> None:
    """Print the verdict and its reasons."""
    say(f"artifacts: {verdict.level}{'' if verdict.reasons else ', none beyond its limit'}")
    for reason in verdict.reasons:
        say(f"  {reason}")


def verdict_content(verdict: Verdict) -> dict[str, Any]:
    """The verdict as JSON values."""
    values = {one.measure: {"value": one.value, "level": str(one.level)} for one in verdict.findings}
    return {"verdict": str(verdict.level), "reasons": list(verdict.reasons), "measures": values}
