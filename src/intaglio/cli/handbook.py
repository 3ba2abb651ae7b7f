"""The page ``docs/cli.md``: every command with its arguments and options, from the commands themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from typing import Any

import typer

from intaglio.cli.app import COMMANDS, command_of

_HEAD = """\
# Commands

Made from the commands by `scripts/generate.py`. `intaglio COMMAND --help` shows the same at a terminal. What `--json`
writes has [a page of its own](cli-json.md), and [environment variables](environment.md) too.

Before or after any command: `--verbose` (`-v`, `-vv`) reports stages and choices, `--quiet` (`-q`) errors only, and
`--debug` shows the traceback of an error.
"""


_EXAMPLE = re.compile(r"\s*Example: (.+?)\s*$", re.DOTALL)
_NAMES_OF_TYPES = {
    "str": "text",
    "list[str]": "texts",
    "list[int]": "integers",
    "int": "integer",
    "int range": "integer",
    "float": "number",
}


def text() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *(line for name in COMMANDS for line in _sections(f"intaglio {name}", command_of(name)))])


def _sections(title: str, command: Any) -> Iterator[str]:
    """The section of a command, or of each command of a group."""
    if members := getattr(command, "commands", None):
        for name, member in members.items():
            yield from _sections(f"{title} {name}", member)
        return
    example = _EXAMPLE.search(command.help)
    told = command.help[: example.start()] if example else command.help
    yield f"## `{title}`\n\n{_plain(told)}\n"
    if example:
        yield f"    {' '.join(example[1].split())}\n"
    context = typer.Context(command)
    rows = [f"| {_names(one)} | {_value(one, context)} | {_meaning(one)} |" for one in command.params]
    yield "| argument or option | value | meaning |\n|---|---|---|\n" + "\n".join(rows) + "\n"


def _names(parameter: Any) -> str:
    """``--output``, ``-o``; of an argument its name in capitals."""
    if parameter.opts == [parameter.name]:
        return f"`{parameter.name.upper()}`"
    return ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))


def _value(parameter: Any, context: typer.Context) -> str:
    """What stands behind the option: the placeholder of its help, its choices, or a word for its type."""
    if getattr(parameter, "is_flag", False):
        return ""
    if parameter.metavar:
        return f"`{parameter.metavar}`"
    shown = parameter.display_type(context).strip("<>")
    return (
        ", ".join(f"`{choice}`" for choice in shown.split("|")) if "|" in shown else _NAMES_OF_TYPES.get(shown, shown)
    )


def _meaning(parameter: Any) -> str:
    default = parameter.default.value if isinstance(parameter.default, Enum) else parameter.default
    shown = parameter.show_default and default not in (None, "") and not getattr(parameter, "is_flag", False)
    return _plain(parameter.help or "") + (" Required." if parameter.required else f" Default: `{default}`." * shown)


def _plain(words: str) -> str:
    """Text of a help as Markdown that shows the same signs."""
    return re.sub(r"(`[^`]*`)|([<>*|_])", lambda found: found[1] or f"\\{found[2]}", words)
