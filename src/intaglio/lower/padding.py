"""How a network continues a picture that is no whole number of windows: found by trial, on the network itself."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


def _positions(length: int, size: int, mode: str) -> Tensor:
    position = torch.arange(size)
    if mode == "edge":
        return position.clamp(max=length - 1)
    period = 2 * length if mode == "mirror" else max(1, 2 * length - 2)
    position = position % period
    return torch.minimum(position, period - position - (1 if mode == "mirror" else 0))


def extend(picture: Tensor, height: int, width: int, mode: str) -> Tensor:
    """The picture continued to the right and below, as the operation ``input`` does.

    >>> extend(torch.tensor([[[[1.0, 2.0, 3.0]]]]), 1, 5, "reflect").flatten().tolist()
    [1.0, 2.0, 3.0, 2.0, 1.0]
    """
    if mode == "zero":
        return nn.functional.pad(picture, (0, width - picture.shape[-1], 0, height - picture.shape[-2]))
    for axis, size in ((-2, height), (-1, width)):
        picture = picture.index_select(axis, _positions(picture.shape[axis], size, mode))
    return picture


MODES = ("mirror", "reflect", "edge", "zero")
"""In the order in which they are tried; the first is taken where none is the network's own."""

INSIDE = (
    "the network itself takes pictures of any size and pads inside; its program mirrors pictures to multiples of {}"
    " pixels instead, which changes values near the borders of others"
)


@dataclass(frozen=True)
class Padding:
    """How a program makes whole windows of a picture: the multiple, what continues the picture, and what to tell of
    it (empty where the network does the same, or takes such pictures alone)."""

    multiple: int
    mode: str
    note: str = ""


def padding_of(network: nn.Module, channels: int, multiple: int) -> Padding:
    """The padding of a network that computes the same at all multiples of `multiple`.

    A small random picture is given to the network, and, padded in each mode, to it again; what is cropped from the
    second is the first in the network's own mode.
    """
    if multiple == 1:
        return Padding(1, MODES[0])
    side = multiple + max(1, (2 * multiple) // 3)
    picture = torch.rand(1, channels, side, side, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        try:
            expected = network(picture)
        except (RuntimeError, ValueError, AssertionError, IndexError):
            return Padding(multiple, MODES[0])
        whole = -(-side // multiple) * multiple
        for mode in MODES:
            found = network(extend(picture, whole, whole, mode))[..., : expected.shape[-2], : expected.shape[-1]]
            if torch.allclose(found, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max())):
                return Padding(multiple, mode)
    return Padding(multiple, MODES[0], INSIDE.format(multiple))
