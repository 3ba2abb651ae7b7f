"""What a float checkpoint holds, before anything is done with it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from intaglio.app.networks import NetworkSource, open_named
from intaglio.app.quantizing import float32_bytes
from intaglio.arch import SRNetwork
from intaglio.arch.unwrapping import are_averaged
from intaglio.provenance import file_sha256


@dataclass(frozen=True)
class NetworkFacts:
    """What is known of a float network and of the file that it was read from.

    Attributes:
        architecture: its name in the registry, or that of its class.
        scale: upscaling factor.
        channels: 1 (gray) or 3 (RGB).
        parameters: how many numbers it has learned.
        float32_bytes: what they take in single precision.
        linears: how many linear layers it has.
        convolutions: how many convolutions it has.
        settings: the fields of its configuration; empty for networks that are not built in.
        names: under which names the file kept the weights, outermost first (none: at the top).
        averaged: whether those names say that the weights are averaged over training.
        bytes: size of the file; None without one.
        sha256: of the file; None without one.
    """

    architecture: str
    scale: int
    channels: int
    parameters: int
    float32_bytes: int
    linears: int
    convolutions: int
    settings: Mapping[str, Any]
    names: tuple[str, ...]
    averaged: bool
    bytes: int | None
    sha256: str | None


def describe_network(source: NetworkSource) -> NetworkFacts:
    """What a checkpoint holds, read and checked as `intaglio.app.quantizing.quantize` would read it.

    Raises: CheckpointError or SpecError, each with its remedy.
    """
    network, names = open_named(source)
    modules = list(network.modules())
    return NetworkFacts(
        architecture=network.architecture,
        scale=network.scale,
        channels=network.in_channels,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        float32_bytes=float32_bytes(network),
        linears=sum(isinstance(module, nn.Linear) for module in modules),
        convolutions=sum(isinstance(module, nn.Conv2d) for module in modules),
        settings=dataclasses.asdict(network.config) if isinstance(network, SRNetwork) else {},  # type: ignore[call-overload]
        names=names,
        averaged=are_averaged(names),
        bytes=source.checkpoint.stat().st_size if source.checkpoint else None,
        sha256=file_sha256(source.checkpoint) if source.checkpoint else None,
    )
