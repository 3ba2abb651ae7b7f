"""What is told of a run beside its results: how much, by ``-v``, ``-q`` or the environment variable INTAGLIO_LOG.

Everything goes through the standard library's ``logging``, below the logger ``intaglio``, to standard error. Programs
that use the package set up logging themselves; nothing here runs for them.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence

from intaglio.errors import SpecError

LOG_VARIABLE = "INTAGLIO_LOG"
"""Environment variable with the level where no word gives one."""

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_WORDS = {"-v": "info", "--verbose": "info", "-vv": "debug", "-q": "error", "--quiet": "error"}


def set_up(words: Sequence[str]) -> list[str]:
    """Set the level that the words or the environment ask for, and return the other words.

    Words may stand anywhere, before or after the command; the last one counts. ``-v`` tells of stages and choices,
    ``-vv`` of everything, ``-q`` of errors alone (no bars of progress either).
    Raises: SpecError where INTAGLIO_LOG names no level.
    """
    asked = [_WORDS[word] for word in words if word in _WORDS]
    name = asked[-1] if asked else os.environ.get(LOG_VARIABLE, "").lower() or "warning"
    if name not in _LEVELS:
        raise SpecError(f"{LOG_VARIABLE} is {name[:40]!r}; choose one of {', '.join(_LEVELS)}.")
    logger = logging.getLogger("intaglio")
    logger.setLevel(_LEVELS[name])
    if not logger.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
        logger.addHandler(handler)
        logger.propagate = False
    return [word for word in words if word not in _WORDS]


def is_quiet() -> bool:
    """Whether nothing but errors is to be told."""
    return not logging.getLogger("intaglio").isEnabledFor(logging.WARNING)
