"""``intaglio app``: a page on this machine for enlarging, comparing and quantizing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def app(
    folder: Annotated[
        Path, typer.Argument(help="Folder with models; results go into its subfolder intaglio-app.")
    ] = Path(),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on the loopback address; 0 takes a free one.")] = 0,
    browser: Annotated[
        bool | None,
        typer.Option("--browser/--no-browser", help="Open the browser; default: at a terminal.", show_default=False),
    ] = None,
    max_upload: Annotated[int, typer.Option(min=1, metavar="MB", help="Largest upload.")] = 256,
) -> None:
    """Open a window in the browser: drop pictures or folders, compare, quantize. Nothing leaves this machine.

    Example: intaglio app models/
    """
    import sys
    import webbrowser

    from intaglio.cli.output import say
    from intaglio.window.serve import serve

    opens = sys.stdout.isatty() if browser is None else browser

    def ready(address: str) -> None:
        say(f"{address}  (Ctrl-C ends it)")
        sys.stdout.flush()
        if opens:
            webbrowser.open(address)

    serve(folder, port=port, max_upload=max_upload * 1_000_000, ready=ready)
