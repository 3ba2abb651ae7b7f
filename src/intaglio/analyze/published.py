"""Operations and parameters of SwinIR-light as 2DQuant's table 2 counts them: reconstructed, and lower than the truth.

Honest counts are in `counts.py`.
"""

from __future__ import annotations

from torch import nn

from intaglio.analyze.counts import Operations, count_operations, count_parameters
from intaglio.arch.reconstruction import Upsampler
from intaglio.arch.swinir import SwinIR


def published_operations(network: nn.Module, height: int, width: int) -> Operations | None:
    """Multiply-adds by the published convention, or None for a network that it is not known for.

    Against the truth, the convolution after the body counts a third (3 C^2 instead of 9 C^2 for each pixel), the
    upsampling convolution 1 / scale^2 and among `other`, and the last norm not at all. Reconstructed from the table's
    figures (docs/analyses.md), with which it agrees: SwinIR-light x4 on 128 x 128 pixels has 16.75 G.
    """
    if not isinstance(network, SwinIR) or network.config.upsampler is not Upsampler.DIRECT:
        return None
    truth = count_operations(network, height, width)
    window = network.config.window
    pixels = -(-height // window) * window * -(-width // window) * window
    after_body = sum(one.weight.numel() for one in network.conv_after_body.modules() if isinstance(one, nn.Conv2d))
    upsampling = sum(
        one.weight.numel() for one in network.get_submodule("upsample").modules() if isinstance(one, nn.Conv2d)
    )
    return Operations(
        linear=truth.linear,
        product=truth.product,
        convolution=truth.convolution - pixels * (after_body - after_body // 3 + upsampling),
        other=truth.other - pixels * network.config.embed_dim + pixels * upsampling // network.scale**2,
    )


def published_parameters(network: nn.Module) -> int | None:
    """Parameters by the published convention: without relative position biases. None as `published_operations`."""
    if not isinstance(network, SwinIR) or network.config.upsampler is not Upsampler.DIRECT:
        return None
    counts = count_parameters(network)
    return counts.total - counts.tables
