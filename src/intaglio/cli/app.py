"""The commands of ``intaglio``, in the order of its help."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "demo": "intaglio.cli.demo:demo",
        "quantize": "intaglio.cli.quantize:quantize",
        "upscale": "intaglio.cli.upscale:upscale",
        "app": "intaglio.cli.window:app",
        "eval": "intaglio.cli.eval:evaluate_model",
        "inspect": "intaglio.cli.inspect:inspect_model",
        "export": "intaglio.cli.export:export",
        "methods": "intaglio.cli.methods:list_methods",
        "version": "intaglio.cli.version:version",
        "analyze": "intaglio.cli.analyze:analyze",
        "sweep": "intaglio.cli.sweep:sweep",
        "reproduce": "intaglio.cli.reproduce:reproduce",
        "bench": "intaglio.cli.bench:bench",
        "report": "intaglio.cli.report:report",
        "results": "intaglio.cli.results:results",
    }
)
"""Where each command is: ``module:function``, or ``module:app`` for a group of commands."""


LABORATORY = frozenset({"analyze", "sweep", "reproduce", "bench", "report", "results"})
"""The commands that measure, compare and write tables; the help shows them apart."""


class LazyGroup(TyperGroup):
    """Imports a command when it is called or its help is shown, so that no command waits for the others.

    Source: "Lazily loading subcommands" of Click's documentation.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name, None where there is none."""
        # Where the name is unknown Typer looks for one that is near among the commands that are loaded.
        for name in [cmd_name] if cmd_name in COMMANDS else COMMANDS:
            self.add_command(command_of(name), name)
        return super().get_command(ctx, cmd_name)


def command_of(name: str) -> Any:
    """The command of that name, imported."""
    module, _, attribute = COMMANDS[name].partition(":")
    command = getattr(import_module(module), attribute)
    if not isinstance(command, typer.Typer):
        alone = typer.Typer(add_completion=False)
        alone.command(name)(command)
        command = alone
    made: Any = get_command(command)
    made.rich_help_panel = "Laboratory" if name in LABORATORY else None
    return made


app = typer.Typer(
    name="intaglio",
    cls=LazyGroup,
    help="Turn a trained super-resolution network into a 2-8 bit model that really runs in integers.",
    epilog="Example: intaglio quantize swinir.pth; then: intaglio upscale swinir.w4a4-engrave.intaglio photo.png",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Report stages and choices; -vv reports everything.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Report errors only and show no progress.")] = False,
) -> None:
    """Turn a trained super-resolution network into a 2-8 bit model that really runs in integers."""
    del debug, verbose, quiet  # taken out of the words by `intaglio.cli.main`, so that they may also follow the command
