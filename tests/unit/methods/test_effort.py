"""Every effort gives every method settings that it has, and less effort is less work."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from intaglio.evaluate import learning_steps
from intaglio.methods import METHODS, make_method
from intaglio.methods.effort import DEFAULT_METHODS, Effort, effort_settings


@pytest.mark.parametrize("method", METHODS)
def test_more_effort_is_no_fewer_steps(method: str) -> None:
    made = [asdict(make_method(method, effort_settings(effort, method))) for effort in Effort]  # type: ignore[call-overload]
    steps = [learning_steps(settings) for settings in made]
    assert steps[0] <= steps[1] <= steps[2]
    assert steps[-1] == learning_steps(asdict(make_method(method)))  # type: ignore[call-overload]
    assert effort_settings(Effort.PAPER, method) == {}


def test_every_effort_names_a_method() -> None:
    assert set(DEFAULT_METHODS) == set(Effort)
    assert set(DEFAULT_METHODS.values()) <= set(METHODS)
