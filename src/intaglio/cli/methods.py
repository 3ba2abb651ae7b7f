"""``intaglio methods``: the table of quantization methods, from the registry."""

from __future__ import annotations

from typing import Annotated

import typer

from intaglio.cli.output import JsonOption, require_place, say, show_table, write_json


def list_methods(
    name: Annotated[str | None, typer.Argument(help="One method, with its settings and their defaults.")] = None,
    json: JsonOption = None,
) -> None:
    """List the quantization methods: papers, cost, settings and their defaults.

    Example: intaglio methods 2dquant
    """
    from dataclasses import fields

    from intaglio.methods import METHODS, entry_of

    require_place(json)
    entries = list(METHODS.values()) if name is None else [entry_of(name)]
    settings = {
        entry.name: {field.name: field.default for field in fields(entry.make)}  # type: ignore[arg-type]
        for entry in entries
    }
    rows = [(entry.name, entry.summary, entry.paper, entry.cost) for entry in entries]
    show_table(("method", "bounds", "source", "cost"), rows)
    for entry in entries:
        say(f"\n{entry.name}: " + ", ".join(f"{key}={value}" for key, value in settings[entry.name].items()))
    say("\nChange settings with --set key=value; pages of docs/methods explain them.")
    write_json(
        json,
        {
            "methods": [
                {
                    "name": entry.name,
                    "summary": entry.summary,
                    "paper": entry.paper,
                    "cost": entry.cost,
                    "distils": entry.trains,
                    "settings": settings[entry.name],
                }
                for entry in entries
            ]
        },
    )
