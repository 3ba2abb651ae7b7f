"""Sub-pixel upsampling by convolutions and pixel shuffles, under the names that BasicSR gives its tensors.

Source: Shi et al., "Real-time single image and video super-resolution ...", CVPR 2016.
"""

from __future__ import annotations

from math import log2

from torch import nn

from intaglio.arch.entry import State, check_scale, exact_root, shape


def shuffle_stages(scale: int, channels: int) -> nn.Sequential:
    """Convolution and pixel shuffle once per factor of two (or once for three), at constant `channels`.

    Convolutions are members 0, 2, 4. Shapes: (N, channels, H, W) to (N, channels, H * scale, W * scale).

    >>> [name for name, _ in shuffle_stages(4, 8).named_children()]
    ['0', '1', '2', '3']
    """
    stages = [3] if scale == 3 else [2] * int(log2(scale))
    return nn.Sequential(
        *(
            layer
            for factor in stages
            for layer in (nn.Conv2d(channels, channels * factor**2, 3, padding=1), nn.PixelShuffle(factor))
        )
    )


def shuffle_at_once(scale: int, channels: int, out_channels: int) -> nn.Sequential:
    """One convolution and one pixel shuffle from features to the picture; the convolution is member 0."""
    return nn.Sequential(nn.Conv2d(channels, out_channels * scale**2, 3, padding=1), nn.PixelShuffle(scale))


def scale_of_stages(state: State, prefix: str) -> int:
    """The scale of `shuffle_stages` whose tensors are named ``<prefix>0.weight``, ``<prefix>2.weight``, …

    Raises: CheckpointError if the shapes give no scale of 2, 3, 4 or 8.
    """
    key = f"{prefix}0.weight"
    out_channels, channels = shape(state, key, 4)[:2]
    factor = exact_root(out_channels // channels, key)
    stages = sum(f"{prefix}{2 * stage}.weight" in state for stage in range(4))
    return check_scale(factor**stages)


def scale_at_once(state: State, key: str, out_channels: int) -> int:
    """The scale of `shuffle_at_once` whose convolution has the weight `key`.

    Raises: CheckpointError if the shape gives no scale of 2, 3, 4 or 8.
    """
    return check_scale(exact_root(shape(state, key, 4)[0] // out_channels, key))
