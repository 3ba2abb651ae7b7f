"""Extending a picture to the right and below by mirroring, for networks that need sizes of a certain kind.

Cropping back is the caller's line; MATLAB-exact padding of pictures on disk is in `intaglio.images`.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def extend_symmetric(image: Float[Tensor, "n c h w"], height: int, width: int) -> Float[Tensor, "n c height width"]:
    """The picture continued to `height` x `width` by mirroring with the edge pixel repeated.

    The extension has period ``2 * H`` (``2 * W``), so a picture may grow to many times its size. A picture that has
    the size already is returned as it is. Shapes: (N, C, H, W) to (N, C, height, width).
    Source: the padding of 2DQuant's release, which stops at twice the size; ours does not.

    >>> extend_symmetric(torch.tensor([[[[1.0, 2.0, 3.0]]]]), 1, 8).flatten().tolist()
    [1.0, 2.0, 3.0, 3.0, 2.0, 1.0, 1.0, 2.0]
    """
    for axis, size in ((-2, height), (-1, width)):
        if image.shape[axis] != size:
            image = image.index_select(axis, _mirrored_positions(image.shape[axis], size, image.device))
    return image


def extend_reflected(x: Float[Tensor, "n h w c"], height: int, width: int) -> Float[Tensor, "n height width c"]:
    """A feature map continued to `height` x `width` by mirroring at its last pixel, which is not repeated.

    The extension has period ``2 * H - 2``; of a single row every continuation is that row. Shapes: (N, H, W, C) to
    (N, height, width, C).

    >>> extend_reflected(torch.tensor([1.0, 2.0, 3.0]).view(1, 1, 3, 1), 1, 8).flatten().tolist()
    [1.0, 2.0, 3.0, 2.0, 1.0, 2.0, 3.0, 2.0]
    """
    for axis, size in ((1, height), (2, width)):
        x = x.index_select(axis, _reflected_positions(x.shape[axis], size, x.device))
    return x


def next_multiple(size: int, of: int) -> int:
    """The smallest multiple of `of` that is at least `size`.

    >>> next_multiple(33, of=8)
    40
    """
    return -(-size // of) * of


def _mirrored_positions(length: int, size: int, device: torch.device) -> Tensor:
    position = torch.arange(size, device=device) % (2 * length)
    return torch.minimum(position, 2 * length - 1 - position)


def _reflected_positions(length: int, size: int, device: torch.device) -> Tensor:
    period = max(2 * length - 2, 1)
    position = torch.arange(size, device=device) % period
    return torch.minimum(position, period - position)
