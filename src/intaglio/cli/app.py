"""The commands of ``intaglio``, in the order of its help."""

from __future__ import annotations

from typing import Annotated

import typer

from intaglio.cli.analyze import analyze
from intaglio.cli.bench import bench
from intaglio.cli.demo import demo
from intaglio.cli.eval import evaluate_model
from intaglio.cli.inspect import inspect_model
from intaglio.cli.methods import list_methods
from intaglio.cli.quantize import quantize
from intaglio.cli.report import report
from intaglio.cli.reproduce import reproduce
from intaglio.cli.results import results
from intaglio.cli.sweep import sweep
from intaglio.cli.upscale import upscale
from intaglio.cli.version import version

app = typer.Typer(
    name="intaglio",
    help="Turn a trained super-resolution network into a 2-8 bit model that really runs in integers.",
    epilog="Example: intaglio quantize swinir.pth; then: intaglio upscale swinir.w4a4-2dquant.intaglio photo.png",
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def options(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error (may stand anywhere).")
    ] = False,
) -> None:
    """Turn a trained super-resolution network into a 2-8 bit model that really runs in integers."""
    del debug  # taken out of the words by `intaglio.cli.main`, so that it may also follow the command


for _name, _command in (
    ("demo", demo),
    ("quantize", quantize),
    ("upscale", upscale),
    ("eval", evaluate_model),
    ("inspect", inspect_model),
    ("analyze", analyze),
    ("methods", list_methods),
    ("sweep", sweep),
    ("reproduce", reproduce),
    ("bench", bench),
    ("report", report),
    ("version", version),
):
    app.command(_name)(_command)

app.add_typer(results, name="results")
