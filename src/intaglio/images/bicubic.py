"""Bicubic resizing that reproduces MATLAB's `imresize` sample by sample, in numpy.

Every benchmark of the field makes its LR pictures this way; other filters and other libraries are not here.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from intaglio._shapes import Float, Int, Real, Shaped, UInt8
from intaglio.errors import ImageError

_KERNEL_WIDTH = 4
_BLOCK_ROWS = 32  # rows summed at a time, so that the running sums stay in the cache


def imresize(image: UInt8[np.ndarray, "h w *c"], scale: Fraction | int) -> UInt8[np.ndarray, "H W *c"]:
    """Resize an 8-bit picture by `scale`, as MATLAB's ``imresize(image, scale, "bicubic")``.

    Rows first, then columns, and 8-bit rounding (half up) with clamping after each of the two, as MATLAB does.
    When shrinking, the kernel is widened by ``1 / scale`` against aliasing; borders are mirrored, edge repeated.

    Shapes: (h, w, ...) to (ceil(h * scale), ceil(w * scale), ...). Units: grey levels 0-255.
    Raises: ImageError for a scale that is not positive or an empty picture (remedy: pass scale > 0).
    Source: MATLAB Image Processing Toolbox, `imresize`; Keys, IEEE TASSP 29(6), 1981, equation (15).

    >>> imresize(np.array([[0, 0, 100, 100]], np.uint8), Fraction(1, 2)).tolist()
    [[5, 95]]
    """
    factor = _check(image, scale)
    rows = _round_to_uint8(_resize_rows(image, factor))
    return _turned(_round_to_uint8(_resize_rows(_turned(rows), factor)))


def imresize_float(image: Float[np.ndarray, "h w *c"], scale: Fraction | int) -> Float[np.ndarray, "H W *c"]:
    """As `imresize`, for real-valued pictures: no rounding, no clamping (overshoot is kept); float64 out.

    Shapes: (h, w, ...) to (ceil(h * scale), ceil(w * scale), ...). Units: those of the picture.
    Raises: ImageError as `imresize`.

    >>> imresize_float(np.array([[0.0, 0.0, 1.0, 1.0]]), Fraction(1, 2)).round(6).tolist()
    [[0.054688, 0.945312]]
    """
    factor = _check(image, scale)
    return _turned(_resize_rows(_turned(_resize_rows(image, factor)), factor))


def resize_to(image: Float[np.ndarray, "h w *c"], height: int, width: int) -> Float[np.ndarray, "{height} {width} *c"]:
    """As `imresize_float`, to a size: each axis by its own factor, exactly.

    Raises: ImageError for an empty picture or size.

    >>> resize_to(np.array([[0.0, 0.0, 1.0, 1.0]]), 1, 2).round(6).tolist()
    [[0.054688, 0.945312]]
    """
    rows = _check(image, Fraction(height, image.shape[0] or 1))
    columns = _check(image, Fraction(width, image.shape[1] or 1))
    return _turned(_resize_rows(_turned(_resize_rows(image, rows)), columns))


def downscale(image: UInt8[np.ndarray, "h w *c"], scale: int) -> UInt8[np.ndarray, "H W *c"]:
    """The LR picture of the field's protocol: `image` shrunk by the whole number `scale`.

    Shapes: (h, w, ...) to (ceil(h / scale), ceil(w / scale), ...); for training pairs `mod_crop` first.
    Raises: ImageError as `imresize`.
    """
    return imresize(image, Fraction(1, scale) if scale > 0 else scale)


def upscale(image: UInt8[np.ndarray, "h w *c"], scale: int) -> UInt8[np.ndarray, "{scale}*h {scale}*w *c"]:
    """The bicubic baseline of every table: `image` enlarged by the whole number `scale`.

    Shapes: (h, w, ...) to (scale * h, scale * w, ...). Raises: ImageError as `imresize`.
    """
    return imresize(image, scale)


def mod_crop(image: Shaped[np.ndarray, "h w *c"], multiple: int) -> Shaped[np.ndarray, "H W *c"]:
    """The largest top-left part of `image` whose sides are multiples of `multiple` (a view).

    Raises: ImageError when nothing would remain (remedy: a larger picture or a smaller scale).

    >>> mod_crop(np.zeros((7, 9, 3)), 4).shape
    (4, 8, 3)
    """
    height, width = image.shape[:2]
    if height < multiple or width < multiple:
        raise ImageError(f"A picture of {width} x {height} pixels is smaller than x{multiple}; take a larger one.")
    return image[: height - height % multiple, : width - width % multiple]


def _check(image: Shaped[np.ndarray, "h w *c"], scale: Fraction | int) -> Fraction:
    factor = Fraction(scale)
    if factor <= 0:
        raise ImageError(f"Cannot resize by {scale}; pass a scale above 0.")
    if image.size == 0:
        raise ImageError(f"Cannot resize an empty picture of shape {image.shape}; pass one with pixels.")
    return factor


def _resize_rows(image: Real[np.ndarray, "h w *c"], scale: Fraction) -> Float[np.ndarray, "H w *c"]:
    weights, indices = _contributions(image.shape[0], scale)
    flat = image.reshape(image.shape[0], -1)
    total = np.zeros((indices.shape[1], flat.shape[1]))
    for start in range(0, len(total), _BLOCK_ROWS):
        block = slice(start, start + _BLOCK_ROWS)
        for tap_weights, tap_rows in zip(weights[:, block], indices[:, block], strict=True):
            total[block] += tap_weights[:, None] * flat[tap_rows]
    return total.reshape(-1, *image.shape[1:])


def _turned(image: Shaped[np.ndarray, "h w *c"]) -> Shaped[np.ndarray, "w h *c"]:
    """Rows for columns, copied: gathering whole rows is contiguous, gathering columns in place is not."""
    return np.ascontiguousarray(image.swapaxes(0, 1))


def _contributions(
    length: int, scale: Fraction
) -> tuple[Float[np.ndarray, "taps outputs"], Int[np.ndarray, "taps outputs"]]:
    """Weights and source positions of every output position along one axis (`contributions` of imresize.m)."""
    stretch = min(scale, Fraction(1))
    reach = _KERNEL_WIDTH / stretch
    taps = -(-reach.numerator // reach.denominator) + 2
    outputs = -(-length * scale.numerator // scale.denominator)

    position = np.arange(outputs)
    centre = (position + 0.5) / float(scale) - 0.5
    left = np.floor(centre - float(reach) / 2)
    sources = left + np.arange(taps)[:, None]
    weights = _cubic(float(stretch) * (centre - sources))
    weights /= weights.sum(axis=0)

    used = np.any(weights != 0, axis=1)
    folded = sources[used].astype(np.int64) % (2 * length)
    return weights[used], np.minimum(folded, 2 * length - 1 - folded)


def _cubic(x: Float[np.ndarray, "taps outputs"]) -> Float[np.ndarray, "taps outputs"]:
    """Keys' kernel with a = -1/2: interpolates, and is exact on quadratics."""
    d = np.abs(x)
    near = (1.5 * d - 2.5) * d * d + 1.0
    far = ((-0.5 * d + 2.5) * d - 4.0) * d + 2.0
    return np.where(d <= 1.0, near, np.where(d <= 2.0, far, 0.0))


def _round_to_uint8(image: Float[np.ndarray, "h w *c"]) -> UInt8[np.ndarray, "h w *c"]:
    raised = image + 0.5
    return np.clip(raised, 0, 255, out=raised).astype(np.uint8)  # the conversion truncates: half goes up
