"""A picture as people have it: 8 to 16 bits, gray or colour, with or without alpha, and the metadata of its file.

A `Picture` is a value; files are `reading.py` and `writing.py`, enlarging is `enlarging.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np

from intaglio._shapes import Float32, Shaped
from intaglio.errors import ImageError


class Mode(StrEnum):
    """What the channels of a picture are; the number of channels says it."""

    GRAY = "gray"
    GRAY_ALPHA = "gray+alpha"
    RGB = "RGB"
    RGBA = "RGBA"


_MODES = {1: Mode.GRAY, 2: Mode.GRAY_ALPHA, 3: Mode.RGB, 4: Mode.RGBA}


@dataclass(frozen=True)
class Metadata:
    """What a file holds beside its samples; kept as it is, byte for byte, but for the orientation, which is applied.

    `icc` and `xmp` are the embedded bytes, `exif` starts at the TIFF header, `dpi` is dots per inch of both axes.
    """

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None


@dataclass(frozen=True, eq=False)
class Picture:
    """Samples with their depth and metadata; upright.

    `samples` are uint8, or uint16 where `bits` is above 8; then they span 0 to 65535 whatever `bits` is, and `bits`
    says how many the file had (10 and 12: AVIF). `format` is the file's, in Pillow's words; `notes` say in words what
    reading had to convert.

    Shapes: samples (h, w, c), c = 1 gray, 2 gray and alpha, 3 RGB, 4 RGB and alpha.
    Raises: ImageError for another shape or type.

    >>> Picture(np.zeros((2, 3, 4), np.uint8)).mode
    <Mode.RGBA: 'RGBA'>
    """

    samples: Shaped[np.ndarray, "h w c"]
    bits: int = 8
    format: str = "PNG"
    metadata: Metadata = field(default_factory=Metadata)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        shape, expected = self.samples.shape, np.dtype(np.uint8 if self.bits == 8 else np.uint16)
        if len(shape) != 3 or shape[2] not in _MODES or 0 in shape or not 8 <= self.bits <= 16:
            raise ImageError(f"Found samples {shape} of {self.bits} bits; pass (height, width, 1 to 4), 8 to 16 bits.")
        if self.samples.dtype != expected:
            raise ImageError(f"Found {self.samples.dtype} samples for {self.bits} bits; pass {expected}.")

    @property
    def height(self) -> int:
        """Rows of pixels."""
        return int(self.samples.shape[0])

    @property
    def width(self) -> int:
        """Columns of pixels."""
        return int(self.samples.shape[1])

    @property
    def mode(self) -> Mode:
        """What the channels are."""
        return _MODES[self.samples.shape[2]]

    @property
    def top(self) -> int:
        """The largest value of a sample: 255 or 65535."""
        return int(np.iinfo(self.samples.dtype).max)

    @property
    def has_alpha(self) -> bool:
        """Whether the last channel is alpha."""
        return self.samples.shape[2] in (2, 4)

    @property
    def opaque(self) -> bool:
        """Whether every pixel covers what is behind it: no alpha, or the largest everywhere."""
        return not self.has_alpha or bool((self.samples[..., -1] == self.top).all())

    @property
    def colour(self) -> Shaped[np.ndarray, "h w colours"]:
        """The samples without alpha (a view)."""
        return self.samples[..., :-1] if self.has_alpha else self.samples

    @property
    def alpha(self) -> Shaped[np.ndarray, "h w"]:
        """The alpha samples (a view). Raises: ImageError where there is none."""
        if not self.has_alpha:
            raise ImageError("This picture has no alpha channel; ask `has_alpha` first.")
        return self.samples[..., -1]


def to_unit(samples: Shaped[np.ndarray, "*any"]) -> Float32[np.ndarray, "*any"]:
    """uint8 or uint16 samples in the unit range: 0 is 0, the largest is 1.

    >>> to_unit(np.array([0, 51, 255], np.uint8))
    array([0. , 0.2, 1. ], dtype=float32)
    """
    return samples.astype(np.float32) / np.float32(np.iinfo(samples.dtype).max)


def from_unit(values: Float32[np.ndarray, "*any"], bits: int) -> Shaped[np.ndarray, "*any"]:
    """Values of the unit range as samples of `bits` bits: clipped, rounded half to even; uint8, or uint16 above 8.

    Ten and twelve bits are rounded to their own levels and spread over 0 to 65535.

    >>> from_unit(np.float32([-1, 0.2, 2]), 8)
    array([  0,  51, 255], dtype=uint8)
    """
    codes: np.ndarray = np.rint(np.clip(values, 0, 1) * np.float32((1 << bits) - 1))
    if bits == 8:
        return codes.astype(np.uint8)
    return codes.astype(np.uint16) if bits == 16 else spread(codes.astype(np.uint16), bits)


def spread(codes: Shaped[np.ndarray, "*any"], bits: int) -> Shaped[np.ndarray, "*any"]:
    """Codes of `bits` bits (uint16) over 0 to 65535; `gather` is its inverse.

    >>> spread(np.array([0, 1023], np.uint16), 10).tolist()
    [0, 65535]
    """
    samples: np.ndarray = np.rint(codes * (65535.0 / ((1 << bits) - 1)))
    return samples.astype(np.uint16)


def gather(samples: Shaped[np.ndarray, "*any"], bits: int) -> Shaped[np.ndarray, "*any"]:
    """The codes of `bits` bits that are nearest to samples of 0 to 65535."""
    codes: np.ndarray = np.rint(samples * (((1 << bits) - 1) / 65535.0))
    return codes.astype(np.uint16)


def with_bits(picture: Picture, bits: int) -> Picture:
    """`picture` with samples of another depth, rounded to the nearest.

    >>> with_bits(Picture(np.full((1, 1, 1), 257, np.uint16), bits=16), 8).samples.item()
    1
    """
    if bits == picture.bits:
        return picture
    return replace(picture, samples=from_unit(to_unit(picture.samples), bits), bits=bits)
