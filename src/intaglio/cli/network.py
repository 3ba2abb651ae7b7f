"""Options by which commands name a float network that is none of the built-in ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from intaglio.spec import Weights

if TYPE_CHECKING:
    from intaglio.app.networks import NetworkSource

NetworkOption = Annotated[
    str | None,
    typer.Option(
        metavar="FILE.py:FUNCTION",
        help="Your own network: a function that returns an nn.Module; the file is executed. It takes the checkpoint.",
        show_default=False,
    ),
]
LeftFloatOption = Annotated[
    list[str] | None,
    typer.Option(metavar="PATTERN", help="Layers that stay float, such as '*.upsampler.*'; repeatable."),
]
DeviceOption = Annotated[
    str,
    typer.Option(metavar="NAME", help="Where torch computes: cpu, cuda, cuda:1, or auto for a GPU if there is one."),
]


def source_of(
    checkpoint: Path | None,
    network: str | None,
    left_float: Sequence[str] | None = None,
    weights: Weights | None = None,
    option: Path | None = None,
) -> NetworkSource:
    """Where the network comes from, as the library takes it."""
    from intaglio.app.networks import NetworkSource

    return NetworkSource(checkpoint, network or "", tuple(left_float or ()), weights, option)
