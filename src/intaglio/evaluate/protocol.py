"""The one protocol by which every number of the project is measured, in words and as an identifier.

The metrics' arithmetic is in `metrics.py`; the loop over pictures is in `evaluate.py`.
"""

PROTOCOL = "psnr-y:bt601:crop-scale:uint8:v1"
"""Identifier written into every record; it changes when anything in `protocol_text` does."""


def protocol_text(scale: int) -> str:
    """The protocol in one line, to be printed beside every number.

    >>> protocol_text(2)
    'x2, MATLAB bicubic LR, whole pictures, 8-bit output, 2 pixels cropped per side, Y of BT.601 (16-235), ...'
    """
    return (
        f"x{scale}, MATLAB bicubic LR, whole pictures, 8-bit output, {scale} pixels cropped per side, "
        "Y of BT.601 (16-235), PSNR peak 255, SSIM 11x11 Gaussian sigma 1.5 valid region, mean over pictures"
    )
