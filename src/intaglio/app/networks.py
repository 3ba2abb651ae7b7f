"""Float networks from wherever they come: a checkpoint of a known architecture, one that spandrel reads, or one's own
module with or without a checkpoint."""

from __future__ import annotations

import fnmatch
import functools
import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from intaglio.arch import SRNetwork, load_checkpoint
from intaglio.arch.files import read_file
from intaglio.arch.spandrel_adapter import load_foreign
from intaglio.arch.unwrapping import unwrap
from intaglio.errors import CheckpointError, SpecError, UnknownArchitectureError
from intaglio.quant import ForeignNetwork, adopt
from intaglio.spec import Weights

Network = SRNetwork | ForeignNetwork

_SIDES = (64, 48, 96, 128, 40)
"""Sides in pixels of the pictures on which a network is tried, in this order."""

_REFUSALS = (RuntimeError, ValueError, AssertionError, IndexError, TypeError)
"""What networks raise for pictures that they do not take."""


@dataclass(frozen=True)
class NetworkSource:
    """Where a float network comes from.

    Attributes:
        checkpoint: its weights; None for a function that gives a network with its weights.
        network: ``path/to/file.py:function``, a function without arguments that gives an `nn.Module`; empty for
            architectures that are recognised by the checkpoint.
        left_float: patterns of layers that must not be quantized, such as ``*.upsampler.*``.
        weights: which of two sets of weights in a checkpoint; the averaged one where it is there, if None.
        option: a training file of BasicSR that gives what no tensor shows.
    """

    checkpoint: Path | None = None
    network: str = ""
    left_float: tuple[str, ...] = ()
    weights: Weights | None = None
    option: Path | None = None

    @property
    def stem(self) -> str:
        """What files that are made of the network are named after."""
        return self.checkpoint.stem if self.checkpoint else self.network.rpartition(":")[2]


def open_network(source: NetworkSource) -> Network:
    """The network that a source names, in evaluation mode on the CPU, ready for `intaglio.app.quantizing.quantize`.

    A file that is named by `network` is run, as any module that is imported is; a checkpoint never is.

    Raises: CheckpointError or SpecError, each with its remedy.
    """
    return open_named(source)[0]


def open_named(source: NetworkSource) -> tuple[Network, tuple[str, ...]]:
    """As `open_network`, with the names under which the file kept the weights, outermost first (none: at the top).

    Raises: CheckpointError or SpecError, each with its remedy.
    """
    if source.network:
        module, names = _own(source.network), tuple[str, ...]()
        if source.checkpoint is not None:
            names = _load_state(module, source.checkpoint, source.weights)
        return ready(module, source.left_float), names
    if source.checkpoint is None:
        raise SpecError("name a checkpoint, or a network of your own by --network path/to/file.py:function.")
    try:
        loaded = load_checkpoint(source.checkpoint, weights=source.weights, options=source.option)
    except UnknownArchitectureError as error:
        return ready(_known_to_spandrel(source.checkpoint, error), source.left_float), ()
    return _leaving(loaded.network, source.left_float), loaded.names


def _own(reference: str) -> nn.Module:
    """What the function gives that ``path/to/file.py:function`` names."""
    name, colon, function = reference.rpartition(":")
    path = Path(name)
    if not colon or not path.is_file():
        raise SpecError(f"--network {reference}: expected path/to/file.py:function, and a file that is there.")
    specification = importlib.util.spec_from_file_location(path.stem, path)
    if specification is None or specification.loader is None:
        raise SpecError(f"--network {reference}: {path} is no Python file.")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    make: Callable[[], Any] | None = getattr(module, function, None)
    if not callable(make):
        raise SpecError(f"--network {reference}: {path} has no function {function!r}.")
    made = make()
    if not isinstance(made, nn.Module):
        raise SpecError(f"--network {reference}: {function}() gives a {type(made).__name__}, expected an nn.Module.")
    return made.float().eval().requires_grad_(False)


def _load_state(module: nn.Module, checkpoint: Path, weights: Weights | None) -> tuple[str, ...]:
    found = unwrap(read_file(checkpoint).content, str(checkpoint), weights)
    try:
        module.load_state_dict(dict(found.state))
    except RuntimeError as error:
        told = " ".join(str(error).split())[:300]
        raise CheckpointError(
            f"{checkpoint} does not fit the network ({told}); name the function that made it."
        ) from None
    return found.names


def _known_to_spandrel(checkpoint: Path, unknown: CheckpointError) -> nn.Module:
    try:
        return load_foreign(checkpoint).network
    except CheckpointError as error:
        raise CheckpointError(
            f"{unknown} Nor by spandrel: {error} Or name your own module by --network path/to/file.py:function."
        ) from None


def ready(module: nn.Module, left_float: Sequence[str] = ()) -> ForeignNetwork:
    """A network made ready for quantization, on the first picture that it takes."""
    problem: Exception | None = None
    for channels in _channels(module):
        for side in _SIDES:
            picture = torch.rand(1, channels, side, side, generator=torch.Generator().manual_seed(0))
            try:
                _run(module, picture)
            except _REFUSALS as error:
                problem = problem or error
            else:
                return adopt(module, picture, left_float=left_float)
    raise SpecError(
        f"the network takes no picture of {_SIDES[0]} pixels a side ({_first_line(problem)}); wrap it in a module that"
        " takes (1, C, H, W) in [0, 1] and gives the larger picture."
    )


@torch.no_grad()
def _run(module: nn.Module, picture: Tensor) -> None:
    module(picture.clone())


def _channels(module: nn.Module) -> list[int]:
    """Channels of the pictures that a network may take: those that its first convolution reads, 3, 1."""
    convolutions = (one.in_channels for one in module.modules() if isinstance(one, nn.Conv2d))
    first = next(convolutions, 3)
    return list(dict.fromkeys((first if first in (1, 3) else 3, 3, 1)))


def _leaving(network: SRNetwork, patterns: Sequence[str]) -> SRNetwork:
    """A known network with layers left float. Raises: SpecError for a pattern that matches none."""
    layers = [path for path, module in network.named_modules() if isinstance(module, (nn.Linear, nn.Conv2d))]
    for pattern in patterns:
        if not fnmatch.filter(layers, pattern):
            raise SpecError(f"--left-float {pattern!r} matches no linear or convolution of {network.architecture}.")
    if patterns:
        left = frozenset(path for pattern in patterns for path in fnmatch.filter(layers, pattern))
        network.left_float = functools.partial(frozenset, left)  # type: ignore[assignment]
    return network


def _first_line(error: Exception | None) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__).rstrip(".:")
