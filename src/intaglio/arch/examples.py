"""Small random networks of every architecture, for tests and benchmarks.

The weights mean nothing; they are chosen so that output pictures are lively: neither black nor saturated.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from intaglio.arch.compact import CompactConfig
from intaglio.arch.dat import DATConfig
from intaglio.arch.edsr import EDSRConfig
from intaglio.arch.hit import HiTConfig
from intaglio.arch.imdn import IMDNConfig
from intaglio.arch.msrresnet import MSRResNetConfig
from intaglio.arch.network import SRNetwork
from intaglio.arch.ngswin import NGswinConfig
from intaglio.arch.rcan import RCANConfig
from intaglio.arch.registry import find
from intaglio.arch.rlfn import RLFNConfig
from intaglio.arch.rrdbnet import RRDBNetConfig
from intaglio.arch.span import SPANConfig
from intaglio.arch.srresnet import SRResNetConfig
from intaglio.arch.swinir import SwinIRConfig

SMALL: Mapping[str, Any] = MappingProxyType(
    {
        "SwinIR": SwinIRConfig(scale=2, embed_dim=12, depths=(2,), heads=(2,), window=4, mlp_hidden=24),
        "DAT": DATConfig(scale=2, embed_dim=32, depths=(3,), heads=(2,), split=(2, 4), mlp_hidden=24),
        "HiT-SR": HiTConfig(
            scale=2, embed_dim=16, depths=(3,), heads=(2,), base_window=(4, 4), ratios=(1.0, 2.0, 3.0), mlp_hidden=24
        ),
        "NGswin": NGswinConfig(scale=2, embed_dim=16, depths=(2, 1, 1, 2), heads=(2, 1, 1, 2), window=2, mlp_hidden=24),
        "EDSR": EDSRConfig(scale=4, features=8, blocks=2, res_scale=0.5),
        "RCAN": RCANConfig(scale=2, features=8, groups=2, blocks=1, squeezed=2),
        "RLFN": RLFNConfig(scale=2, features=8, mid_features=6, attention_features=4, blocks=2),
        "MSRResNet": MSRResNetConfig(scale=4, features=8, blocks=1),
        "SRResNet": SRResNetConfig(scale=2, features=8, blocks=2),
        "SRVGGNetCompact": CompactConfig(scale=2, features=8, convolutions=2),
        "SPAN": SPANConfig(scale=2, features=8, blocks=2),
        "IMDN": IMDNConfig(scale=2, features=8, blocks=2, squeezed=2),
        "RRDBNet": RRDBNetConfig(scale=2, features=8, growth=4, blocks=1, unshuffle=2),
    }
)
"""The configuration of each architecture's small network, by registry name."""

MEAN, DEVIATION = 0.5, 0.2
"""Of the output on noise, in units of [0, 1]."""


def random_network(name: str, seed: int = 0) -> SRNetwork:
    """The small network of an architecture with random weights, in evaluation mode; determined by the seed.

    >>> random_network("EDSR").scale
    4
    """
    with torch.random.fork_rng(devices=()), torch.inference_mode(False), torch.no_grad():
        torch.manual_seed(seed)
        network = find(name).build(SMALL[find(name).name]).eval()
        noise = torch.rand(1, network.in_channels, 24, 24)
        last = network.get_submodule(network.first_and_last()[1])
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        last.weight.mul_(DEVIATION / network(noise).std())
        last.bias.add_(float(MEAN - network(noise).mean()) * network.pixel_range)
    return network.requires_grad_(False)
