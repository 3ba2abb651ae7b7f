"""Pictures of more than 8 bits, read and written by libvips (extra ``pictures``); Pillow cuts their colours to 8 bits.

Everything of 8 bits is `reading.py` and `writing.py`.
"""

from __future__ import annotations

import io
from types import ModuleType
from typing import Any

import numpy as np

from intaglio._atomic import PathLike
from intaglio.errors import ImageError
from intaglio.images.exif import EXIF_HEADER, add_exif
from intaglio.images.files import first_line, require_size
from intaglio.images.orientation import exif_upright, upright, xmp_upright
from intaglio.images.picture import Metadata, Picture, gather, spread

_LOADERS = {"png": "PNG", "tiff": "TIFF", "heif": "AVIF"}
_MILLIMETRES = 25.4


def vips(path: PathLike) -> ModuleType:
    """pyvips. Raises: ImageError where it is not installed; `path` is for the message."""
    try:
        import pyvips
    except (ImportError, OSError) as error:  # OSError: pyvips is there, libvips is not
        raise ImageError(f"{path}: more than 8 bits; to keep them, run: pip install 'intaglio[pictures]'") from error
    module: ModuleType = pyvips
    return module


def decode_deep(data: bytes, path: PathLike, metadata: Metadata, max_pixels: int) -> Picture:
    """A PNG, TIFF or AVIF of 9 to 16 bits. What `metadata` lacks is taken from the file.

    Raises: ImageError for a damaged file, CMYK, other kinds of samples, or no libvips.
    """
    module = vips(path)
    try:
        image = module.Image.new_from_buffer(data, "", fail_on="error")
        require_size(path, image.width, image.height, max_pixels)
        if image.interpretation == "cmyk" or image.format not in ("uchar", "ushort") or image.bands > 4:
            kind = f"{image.format} {image.interpretation} of {image.bands} channels"
            raise ImageError(f"{path} holds {kind}; convert it to gray or RGB of 8 or 16 bits first.")
        samples = image.numpy()
    except module.Error as error:
        raise ImageError(f"{path} is damaged or truncated ({first_line(error)}); fetch it again.") from error
    samples = upright(samples if samples.ndim == 3 else samples[..., None], _field(image, "orientation") or 1)
    form = _LOADERS.get(str(image.get("vips-loader")).partition("load")[0], "TIFF")
    bits = _bits(image, form)
    if 8 < bits < 16:  # libvips shifts codes up; they are spread, so that white is 65535
        samples = spread(samples >> (16 - bits), bits)
    return Picture(samples, bits, form, _metadata(image, metadata))


def encode_deep(picture: Picture, form: str, path: PathLike, quality: int) -> bytes:
    """The bytes of a file with the picture's 10, 12 or 16 bits; PNG and TIFF without loss, AVIF by its quality.

    Raises: ImageError where libvips is absent or refuses.
    """
    module = vips(path)
    name, options = saver(picture, form, quality)
    try:
        data: bytes = getattr(_image(module, picture, form), f"{name}_buffer")(**options)
    except module.Error as error:
        raise ImageError(f"{form} cannot hold this picture ({first_line(error)}); write .tif.") from error
    if form == "TIFF" and picture.metadata.exif is not None:
        stream = io.BytesIO(data)
        add_exif(stream, picture.metadata.exif)
        data = stream.getvalue()
    return data


def saver(picture: Picture, form: str, quality: int) -> tuple[str, dict[str, Any]]:
    """The operation of libvips that writes `form`, and its options for a picture of that depth and metadata."""
    keep = {"keep": "icc:xmp" if picture.metadata.exif is None else "exif:icc:xmp"}
    if form == "PNG":
        return "pngsave", {"bitdepth": 16 if picture.bits > 8 else 8, **keep}
    if form == "TIFF":
        return "tiffsave", {"compression": "deflate", "predictor": "horizontal", "resunit": "inch", **keep}
    if form == "JPEG":
        return "jpegsave", {"Q": quality, "subsample_mode": "off", **keep}
    how = {"compression": "av1", "bitdepth": picture.bits, "subsample_mode": "off"}
    return "heifsave", {"Q": quality, **how, **keep}


def with_metadata(module: ModuleType, image: Any, meta: Metadata) -> Any:
    """An image of libvips with its metadata."""
    image = image.copy()
    if meta.dpi:
        image = image.copy(xres=meta.dpi[0] / _MILLIMETRES, yres=meta.dpi[1] / _MILLIMETRES)
    exif = None if meta.exif is None else EXIF_HEADER + meta.exif
    for name, blob in (("icc-profile-data", meta.icc), ("exif-data", exif), ("xmp-data", meta.xmp)):
        if blob:
            image.set_type(module.GValue.blob_type, name, blob)
    return image


def _image(module: ModuleType, picture: Picture, form: str) -> Any:
    samples, bits = picture.samples, picture.bits
    if form == "AVIF":  # libvips takes the codes from the upper bits
        samples = (gather(samples, bits) << (16 - bits)).astype(np.uint16)
    kind = "rgb16" if samples.shape[2] > 2 else "grey16"
    image = module.Image.new_from_array(np.ascontiguousarray(samples)).copy(interpretation=kind)
    return with_metadata(module, image, picture.metadata)


def _field(image: Any, name: str) -> Any:
    return image.get(name) if image.get_typeof(name) else None


def _bits(image: Any, form: str) -> int:
    if image.format == "uchar":
        return 8
    return int(_field(image, "bits-per-sample") or 16) if form == "AVIF" else 16


def _metadata(image: Any, known: Metadata) -> Metadata:
    exif, xmp = _field(image, "exif-data"), _field(image, "xmp-data")
    dpi = (image.xres * _MILLIMETRES, image.yres * _MILLIMETRES) if image.get_typeof("resolution-unit") else None
    return Metadata(
        icc=known.icc or _field(image, "icc-profile-data"),
        exif=known.exif or exif_upright(exif.removeprefix(EXIF_HEADER) if exif else None),
        xmp=known.xmp or xmp_upright(xmp),
        dpi=known.dpi or dpi,
    )
