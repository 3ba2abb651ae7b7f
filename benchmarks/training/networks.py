"""The networks that are trained, their first weights, and going on from another scale's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import nn

from intaglio.arch import SRNetwork
from intaglio.arch.edsr import EDSR, EDSRConfig
from intaglio.arch.swinir import SwinIR, SwinIRConfig
from intaglio.errors import CheckpointError

RECONSTRUCTION = ("upsample.", "conv_last.", "conv_before_upsample.")
"""Beginnings of the names of tensors whose shapes depend on the scale."""

NETWORKS: Mapping[str, Callable[[int], SRNetwork]] = MappingProxyType(
    {
        "swinir-light": lambda scale: SwinIR(SwinIRConfig(scale=scale)),
        "edsr-baseline": lambda scale: EDSR(EDSRConfig(scale=scale)),
    }
)
"""What can be trained, by name: from the scale to the network."""


def fresh(build: Callable[[int], SRNetwork], scale: int, seed: int) -> SRNetwork:
    """A network with random weights that depend on the seed alone.

    Linear layers start from a normal distribution of deviation 0.02 cut at two, with zero bias, as in SwinIR's
    official code; convolutions as torch has them, as in EDSR's.
    """
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        network = build(scale)
        for module in network.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
    return network


def continue_from(network: SRNetwork, source: SRNetwork) -> tuple[str, ...]:
    """Copy every tensor that two scales of one architecture share; returns the names of those that stay as they are.

    Raises: CheckpointError if more than the reconstruction differs (remedy: weights of the same network).
    """
    theirs = source.state_dict()
    ours = network.state_dict()
    shared = {key: value for key, value in theirs.items() if key in ours and ours[key].shape == value.shape}
    kept = tuple(key for key in ours if key not in shared)
    foreign = [key for key in kept if not key.startswith(RECONSTRUCTION)]
    if foreign:
        raise CheckpointError(
            f"the weights to start from lack or change '{foreign[0]}'; give the same network's at another scale."
        )
    network.load_state_dict(shared, strict=False)
    return kept
