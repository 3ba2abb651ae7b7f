"""Settings of methods as people write them: ``KEY=VALUE`` words, for all methods or for one of several."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from intaglio.errors import RecipeError


def parse_settings(assignments: Sequence[str]) -> dict[str, Any]:
    """Settings from ``key=value`` words; values are read as TOML, and as text where they are none.

    Raises: RecipeError for a word without ``=``.

    >>> parse_settings(["iterations=300", "learning_rate=1e-3", "schedule=cosine"])
    {'iterations': 300, 'learning_rate': 0.001, 'schedule': 'cosine'}
    """
    settings: dict[str, Any] = {}
    for word in assignments:
        key, equals, text = word.partition("=")
        if not equals or not key.strip():
            raise RecipeError(f"--set {word}: expected key=value, as in --set iterations=300.")
        try:
            settings[key.strip()] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            settings[key.strip()] = text.strip()
    return settings


def settings_for(method: str, settings: Mapping[str, Any], methods: Iterable[str]) -> dict[str, Any]:
    """Those of `settings` that are meant for one of `methods`: ``KEY`` is for each, ``METHOD.KEY`` for that one.

    Raises: RecipeError for a setting of a method that is not among `methods`.

    >>> settings_for("dobi", {"patches": 8, "dobi.candidates": 20, "2dquant.iterations": 40}, ["dobi", "2dquant"])
    {'patches': 8, 'candidates': 20}
    """
    known, found = list(methods), {}
    for name, value in settings.items():
        owner, dot, key = name.rpartition(".")
        if dot and owner not in known:
            raise RecipeError(f"--set {name}: {owner!r} is not looked at; name one of {', '.join(known)}.")
        if not dot or owner == method:
            found[key] = value
    return found
