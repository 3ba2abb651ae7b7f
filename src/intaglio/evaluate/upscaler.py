"""What can be evaluated: the `Upscaler` protocol, the bicubic baseline, the geometric self-ensemble.

Networks, simulators and engines implement the protocol in their own subpackages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, UInt8

from intaglio.images import imresize_float, upscale


@runtime_checkable
class Upscaler(Protocol):
    """Enlarges 8-bit RGB pictures of any size by the whole number `scale`.

    Shapes: (h, w, 3) to (scale * h, scale * w, 3). Units: grey levels 0-255; rounding to 8 bits is the upscaler's.
    """

    @property
    def scale(self) -> int:
        """The SR factor: 2, 3 or 4."""
        ...

    def __call__(self, image: UInt8[np.ndarray, "h w 3"], /) -> UInt8[np.ndarray, "H W 3"]:
        """The enlarged picture."""
        ...


@dataclass(frozen=True)
class BicubicUpscaler:
    """The baseline of every table: MATLAB's bicubic.

    >>> BicubicUpscaler(2)(np.full((3, 4, 3), 7, np.uint8)).shape
    (6, 8, 3)
    """

    scale: int

    def __call__(self, image: UInt8[np.ndarray, "h w 3"], /) -> UInt8[np.ndarray, "H W 3"]:
        """The enlarged picture, (scale * h, scale * w, 3)."""
        return upscale(image, self.scale)

    def planes(self, x: Float32[np.ndarray, "3 h w"], /) -> Float32[np.ndarray, "3 H W"]:
        """Planes in [0, 1], enlarged; neither rounded nor clipped."""
        return np.stack([imresize_float(plane, self.scale) for plane in x]).astype(np.float32)


@dataclass(frozen=True)
class SelfEnsemble:
    """Runs `upscaler` on the eight flips and transpositions of a picture and averages the results turned back.

    Eight times the cost. The average is taken of the eight *8-bit* outputs, in float64, and rounded half to even,
    because an `Upscaler` gives nothing finer; published "+" numbers average before rounding.

    Source: Lim et al., CVPRW 2017 (EDSR), section 3.4.
    """

    upscaler: Upscaler

    @property
    def scale(self) -> int:
        """The scale of the upscaler inside."""
        return self.upscaler.scale

    def __call__(self, image: UInt8[np.ndarray, "h w 3"], /) -> UInt8[np.ndarray, "H W 3"]:
        """The averaged picture, (scale * h, scale * w, 3)."""
        outputs = []
        for turned in (image, image.swapaxes(0, 1)):
            for rows in (1, -1):
                for columns in (1, -1):
                    output = self.upscaler(np.ascontiguousarray(turned[::rows, ::columns]))[::rows, ::columns]
                    outputs.append(output if turned is image else output.swapaxes(0, 1))
        return np.rint(np.mean(outputs, axis=0, dtype=np.float64)).astype(np.uint8)


def self_ensemble(upscaler: Upscaler) -> Upscaler:
    """`upscaler` with the x8 geometric self-ensemble around it; see `SelfEnsemble`."""
    return SelfEnsemble(upscaler)
