"""All measures of the guard on one picture, as one value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from intaglio.errors import ImageError
from intaglio.evaluate.artifacts.banding import Banding, banding
from intaglio.evaluate.artifacts.colour import ColourShift, colour_shift
from intaglio.evaluate.artifacts.seams import Seams, seams
from intaglio.evaluate.artifacts.tiles import WorstTile, worst_tile


@dataclass(frozen=True)
class Artifacts:
    """What the guard measured on the picture `name`; `seams` is None for a network without windows."""

    name: str
    tile: WorstTile
    colour: ColourShift
    banding: Banding
    seams: Seams | None


def inspect_artifacts(
    quantized: UInt8[np.ndarray, "h w 3"],
    reference: UInt8[np.ndarray, "rh rw 3"],
    *,
    scale: int,
    window: int | None = None,
    hr: UInt8[np.ndarray, "H W 3"] | None = None,
    name: str = "picture",
) -> Artifacts:
    """Measure every artifact of a quantized network's output against the float network's output.

    `window` is the side of the network's attention windows in LR pixels, None where there are none; a picture with
    fewer than two windows a side has no seams measured. `hr`, where known, lets the worst tile be judged by what was
    lost of the truth instead of by the distance from float.

    Shapes: (h, w, 3), which must be the same for all. Units: grey levels 0-255.
    Raises: ImageError when the sizes differ (remedy in the message).
    """
    for other in (reference,) if hr is None else (reference, hr):
        if other.shape != quantized.shape:
            raise ImageError(f"Cannot compare {quantized.shape} with {other.shape}; upscale one LR picture with both.")
    has_seams = window is not None and min(quantized.shape[:2]) >= 2 * window * scale
    return Artifacts(
        name=name,
        tile=worst_tile(quantized, reference, hr),
        colour=colour_shift(quantized, reference),
        banding=banding(quantized, reference),
        seams=seams(quantized, reference, window, scale) if window is not None and has_seams else None,
    )
