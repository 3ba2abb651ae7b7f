"""``intaglio results``: the page of results and the README's table, generated from records."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

results = typer.Typer(
    name="results",
    help="Generate the tables of the documentation from results/*.jsonl.",
    no_args_is_help=True,
    add_completion=False,
)


@results.callback()
def group() -> None:
    """Generate the tables of the documentation from results/*.jsonl."""


@results.command("build")
def build_results(
    root: Annotated[Path, typer.Option(help="Root of the repository.")] = Path(),
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 where a file is stale.")] = False,
) -> None:
    """Write docs/results.md and the README's table, or check that they are up to date.

    Example: intaglio results build --check
    """
    from intaglio.cli.output import say
    from intaglio.results import build, stale

    found = stale(root) if check else build(root)
    for path in found:
        say(f"{path}: {'stale; run: intaglio results build' if check else 'written'}")
    if not found:
        say("the generated files are what the records say")
    raise typer.Exit(int(check and bool(found)))
