"""A picture through a network: gray, alpha, more than 8 bits, any size. The network sees planes in [0, 1] only."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import Protocol, runtime_checkable

import numpy as np

from intaglio._shapes import Float32, Shaped, UInt8
from intaglio.errors import ImageError
from intaglio.images.picture import Picture, from_unit, to_unit
from intaglio.images.sizing import NATURAL, Size, passes


@runtime_checkable
class Network(Protocol):
    """What enlarges: three colours in, three colours out, each side times `scale`.

    Calling it takes 8-bit RGB to 8-bit RGB and is the fast way; `planes` takes floats to floats, unrounded. A network
    of gray pictures says so by an attribute `channels` of 1; it is given one channel at a time.
    """

    @property
    def scale(self) -> int:
        """The factor."""
        ...

    def __call__(self, image: UInt8[np.ndarray, "h w c"], /) -> UInt8[np.ndarray, "H W c"]:
        """8-bit RGB, enlarged."""
        ...

    def planes(self, x: Float32[np.ndarray, "c h w"], /) -> Float32[np.ndarray, "c H W"]:
        """Planes of the unit range, enlarged; may leave the range by overshoot."""
        ...


class AlphaWay(StrEnum):
    """What happens to transparency."""

    NETWORK = "network"
    BICUBIC = "bicubic"
    DISCARD = "discard"


def enlarge(picture: Picture, network: Network, *, alpha: AlphaWay = AlphaWay.NETWORK, size: Size = NATURAL) -> Picture:
    """`picture` at the size asked for, with its mode, depth and metadata.

    The network runs as often as needed, then an exact bicubic makes the size asked for. Gray is repeated into three
    channels, and the three that come out are averaged. Where a picture is transparent, its colours are enlarged
    multiplied by alpha, so that what is hidden cannot bleed into what is seen, and divided by the enlarged alpha;
    alpha goes through the network too, or through bicubic, or is dropped with whatever it hid showing. An alpha that
    is opaque everywhere costs nothing. 8-bit RGB at the network's own factor never leaves 8 bits.

    Raises: ImageError where a size takes too many passes; what the network raises.
    """
    if picture.has_alpha and alpha is AlphaWay.DISCARD:
        picture = replace(picture, samples=np.ascontiguousarray(picture.colour))
    target = size.of(picture.height, picture.width, network.scale)
    steps = passes((picture.height, picture.width), target, network.scale)
    opaque = picture.opaque
    if _plain(picture, network, target, steps) and opaque:
        colour = _fast(picture.colour, network)
    elif opaque:
        colour = _samples(_enlarged(_planes(picture.colour), network, steps, target), picture.bits)
    else:
        return replace(picture, samples=_transparent(picture, network, alpha, steps, target))
    if picture.has_alpha:
        colour = np.dstack([colour, np.full(target, picture.top, colour.dtype)])
    return replace(picture, samples=colour)


def enlarge_array(array: Shaped[np.ndarray, "h w *c"], network: Network, *, size: Size = NATURAL) -> np.ndarray:
    """An array of another program (numpy, vapoursynth, OpenCV turned to RGB) at the size asked for, of the same type.

    Shapes: (h, w) or (h, w, c) to (H, W) or (H, W, c); c as in `Picture`, for float32 gray or RGB. Units: uint8 and
    uint16 over their whole range; float32 0 to 1, neither rounded nor clipped.
    Raises: ImageError for another shape or type.

    >>> from intaglio.evaluate import BicubicUpscaler
    >>> enlarge_array(np.zeros((3, 4), np.uint16), BicubicUpscaler(2)).shape
    (6, 8)
    """
    samples = array[..., None] if array.ndim == 2 else array
    if array.dtype != np.float32:
        bits = {np.dtype(np.uint8): 8, np.dtype(np.uint16): 16}.get(array.dtype)
        if bits is None:
            raise ImageError(f"Found an array of {array.dtype}; pass uint8, uint16 or float32.")
        large = enlarge(Picture(samples, bits), network, size=size).samples
    else:
        if samples.ndim != 3 or samples.shape[2] not in (1, 3) or 0 in samples.shape:
            raise ImageError(f"Found float32 {array.shape}; pass (h, w), (h, w, 1) or (h, w, 3), alpha apart.")
        height, width = samples.shape[:2]
        target = size.of(height, width, network.scale)
        steps = passes((height, width), target, network.scale)
        planes = _enlarged(np.ascontiguousarray(samples.transpose(2, 0, 1)), network, steps, target)
        large = np.ascontiguousarray(planes.transpose(1, 2, 0))
    return large[..., 0] if array.ndim == 2 else large


def _plain(picture: Picture, network: Network, target: tuple[int, int], steps: int) -> bool:
    """Whether the fast way in 8 bits does all of it."""
    natural = (picture.height * network.scale, picture.width * network.scale)
    channels = picture.colour.shape[2]
    return picture.bits == 8 and (channels == 3 or _gray(network)) and steps == 1 and target == natural


def _fast(colour: UInt8[np.ndarray, "h w c"], network: Network) -> np.ndarray:
    """8 bits to 8 bits."""
    if not _gray(network):
        return network(np.ascontiguousarray(colour))
    return np.dstack([network(np.ascontiguousarray(colour[..., [index]])) for index in range(colour.shape[2])])


def _gray(network: object) -> bool:
    return getattr(network, "channels", 3) == 1


def _transparent(
    picture: Picture, network: Network, way: AlphaWay, steps: int, target: tuple[int, int]
) -> Shaped[np.ndarray, "H W c"]:
    covering = to_unit(picture.alpha)[None]
    seen = _enlarged(_planes(picture.colour) * covering, network, steps, target)
    cover = _enlarged(covering, network, steps, target) if way is AlphaWay.NETWORK else _resized(covering, target)
    cover = np.clip(cover, 0, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        colour = _samples(np.where(cover > 0, np.clip(seen, 0, cover) / cover, 0), picture.bits)
    alpha = _samples(cover, picture.bits)
    hidden = alpha[..., 0] == 0  # nobody sees these; what an editor may have hidden there stays, unblended
    rows, columns = (np.arange(new) * old // new for new, old in zip(target, picture.samples.shape, strict=False))
    colour[hidden] = picture.colour[rows[:, None], columns][hidden]
    return np.dstack([colour, alpha])


def _planes(colour: Shaped[np.ndarray, "h w c"]) -> Float32[np.ndarray, "c h w"]:
    return np.ascontiguousarray(to_unit(colour).transpose(2, 0, 1))


def _samples(planes: Float32[np.ndarray, "c h w"], bits: int) -> Shaped[np.ndarray, "h w c"]:
    return np.ascontiguousarray(from_unit(planes, bits).transpose(1, 2, 0))


def _enlarged(
    planes: Float32[np.ndarray, "c h w"], network: Network, steps: int, target: tuple[int, int]
) -> Float32[np.ndarray, "c H W"]:
    """One plane (repeated, then averaged) or three, through `steps` passes and to the target's size."""
    count = len(planes)
    for _ in range(steps):
        planes = np.clip(planes, 0, 1)
        if _gray(network):
            planes = np.concatenate([network.planes(plane[None]) for plane in planes])
            continue
        planes = network.planes(planes.repeat(3 // count, axis=0))
        if count == 1:
            # The mean in double precision: three equal planes must give that plane again.
            planes = planes.mean(axis=0, keepdims=True, dtype=np.float64).astype(np.float32)
    return planes if planes.shape[1:] == target else _resized(planes, target)


def _resized(planes: Float32[np.ndarray, "c h w"], target: tuple[int, int]) -> Float32[np.ndarray, "c H W"]:
    from intaglio.images.bicubic import resize_to

    return np.stack([resize_to(plane, *target) for plane in planes]).astype(np.float32)


class EightBit:
    """An upscaler that knows 8-bit RGB alone, as a `Network`: its planes are rounded to 8 bits on both sides.

    For 8-bit pictures only, whose samples the rounding leaves as they are; see `network_of`.
    """

    def __init__(self, upscaler: Upscaler8) -> None:
        self._upscaler = upscaler
        self.scale = upscaler.scale
        self.channels = getattr(upscaler, "channels", 3)

    def __call__(self, image: UInt8[np.ndarray, "h w c"], /) -> UInt8[np.ndarray, "H W c"]:
        """8-bit RGB, enlarged."""
        return self._upscaler(image)

    def planes(self, x: Float32[np.ndarray, "c h w"], /) -> Float32[np.ndarray, "c H W"]:
        """Planes rounded to 8 bits, enlarged."""
        return _planes(self._upscaler(_samples(x, 8)))


@runtime_checkable
class Upscaler8(Protocol):
    """8-bit RGB in, 8-bit RGB out."""

    @property
    def scale(self) -> int:
        """The factor."""
        ...

    def __call__(self, image: UInt8[np.ndarray, "h w c"], /) -> UInt8[np.ndarray, "H W c"]:
        """The enlarged picture."""
        ...


def network_of(upscaler: Upscaler8, bits: int) -> Network:
    """`upscaler` as something that enlarges pictures of `bits` bits.

    Raises: ImageError where those are more than 8 and the upscaler has no `planes`.
    """
    if isinstance(upscaler, Network):
        return upscaler
    if bits > 8:
        raise ImageError(f"This picture has {bits} bits, and this model runs 8-bit pictures only; convert it.")
    return EightBit(upscaler)
