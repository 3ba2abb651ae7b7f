"""Reading and writing 8-bit RGB pictures: PNG, JPEG, WebP, TIFF, BMP.

Other modes are refused with their remedy, never converted silently; resizing and tiling live elsewhere.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from intaglio._atomic import PathLike, write_bytes_atomic
from intaglio._shapes import UInt8
from intaglio.errors import DatasetError, ImageError
from intaglio.images.files import (
    FORMAT_OF_SUFFIX,
    MAX_PIXELS,
    bits_per_sample,
    decoding,
    first_line,
    quiet,
    read_bytes,
    require_size,
)

_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP")
_FORMAT_OF_SUFFIX = {suffix: form for suffix, form in FORMAT_OF_SUFFIX.items() if form in _FORMATS}
SUFFIXES = tuple(_FORMAT_OF_SUFFIX)
"""File name endings that can be written, and that `list_images` looks for (in any case)."""

_JPEG_QUALITY = 95

_REMEDY_OF_MODE = {
    "L": "8-bit gray; convert it to RGB first",
    "1": "black and white, 1 bit; convert it to RGB first",
    "CMYK": "CMYK; convert it to RGB first, with its colour profile",
    "LAB": "Lab; convert it to RGB first",
    "YCbCr": "YCbCr; convert it to RGB first",
}


def read_image(path: PathLike, *, expand_gray: bool = False) -> UInt8[np.ndarray, "h w 3"]:
    """Read one picture as 8-bit RGB, turned upright by its EXIF orientation.

    The content decides the format, not the name. Palettes without transparency are expanded. With `expand_gray`,
    8-bit gray is repeated into three channels, as the benchmarks of the field do (Set14 `bridge`). Embedded colour
    profiles are not applied: samples come back as stored.

    Shapes: (h, w, 3). Units: grey levels 0-255.
    Raises: ImageError when the file is missing, truncated, no picture, larger than `MAX_PIXELS`, animated, or has
    16 bits, transparency, gray or CMYK samples (each with its remedy).
    """
    data = read_bytes(path)
    with quiet(), decoding(path, MAX_PIXELS):
        return _decode(path, data, allow_gray=expand_gray)


def write_image(path: PathLike, image: UInt8[np.ndarray, "h w 3"], *, quality: int | None = None) -> None:
    """Write `image` in the format that the ending of `path` names; the file appears whole or not at all.

    PNG, BMP and TIFF (deflate) are lossless. WebP is lossless unless `quality` is given; JPEG takes 95 unless it is
    (4:4:4, no chroma subsampling).

    Shapes: (h, w, 3). Units: grey levels 0-255; `quality` 1-100.
    Raises: ImageError for another ending, shape or sample type, or a picture too large for the format;
    OutputError when the disk is full or the folder is missing.
    """
    form = _FORMAT_OF_SUFFIX.get(Path(path).suffix.lower())
    if form is None:
        raise ImageError(f"Cannot write {path}: its ending names no known format; use one of {' '.join(SUFFIXES)}.")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ImageError(f"Cannot write {image.dtype} of shape {image.shape}; pass uint8 of shape (h, w, 3).")
    buffer = io.BytesIO()
    try:
        Image.fromarray(np.ascontiguousarray(image)).save(buffer, form, **_encoder_options(form, quality))
    except (OSError, ValueError) as error:
        height, width = image.shape[:2]
        raise ImageError(f"{form} cannot hold {width} x {height} pixels ({first_line(error)}); write .png.") from error
    write_bytes_atomic(path, buffer.getvalue())


def list_images(folder: PathLike) -> list[Path]:
    """The pictures directly in `folder`, sorted by name; hidden files and other endings are passed over.

    Raises: DatasetError when the folder is missing or holds no picture (remedy: check the path).
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DatasetError(f"There is no folder at {folder}; check the path.")
    found = (p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith(".") and p.is_file())
    paths = sorted(found, key=lambda p: p.name)
    if not paths:
        raise DatasetError(f"{folder} holds no picture ({' '.join(SUFFIXES)}); check the path.")
    return paths


def _decode(path: PathLike, data: bytes, *, allow_gray: bool) -> UInt8[np.ndarray, "h w 3"]:
    picture = Image.open(io.BytesIO(data), formats=_FORMATS)  # parses the header only
    require_size(path, picture.width, picture.height, MAX_PIXELS)
    _refuse_unsupported(path, picture, data, allow_gray=allow_gray)
    return np.array(ImageOps.exif_transpose(picture).convert("RGB"))


def _refuse_unsupported(path: PathLike, picture: Image.Image, data: bytes, *, allow_gray: bool) -> None:
    problem = None
    # MPO: a phone's JPEG with a preview or a second exposure behind the picture; the first frame is the picture.
    if picture.format != "MPO" and getattr(picture, "n_frames", 1) > 1:
        problem = "a sequence of frames or pages; split it into single pictures first"
    elif picture.has_transparency_data:
        problem = "transparent (an alpha channel); flatten it onto a background first"
    elif (bits := bits_per_sample(picture, data)) > 8:
        problem = f"stored with {bits} bits per sample; convert it to 8 bits first"
    elif picture.mode == "L" and not allow_gray:
        problem = _REMEDY_OF_MODE["L"]
    elif picture.mode not in ("RGB", "P", "L"):
        problem = _REMEDY_OF_MODE.get(picture.mode, f"of mode {picture.mode}; convert it to 8-bit RGB first")
    if problem:
        raise ImageError(f"{path} is {problem}. Only 8-bit RGB is supported.")


def _encoder_options(form: str, quality: int | None) -> dict[str, int | bool | str]:
    if quality is not None and (form not in ("JPEG", "WEBP") or not 1 <= quality <= 100):
        raise ImageError(f"quality {quality} asked for {form}; it is 1 to 100, for JPEG and WebP only.")
    if form == "JPEG":
        return {"quality": quality or _JPEG_QUALITY, "subsampling": 0}
    if form == "WEBP":
        return {"lossless": True, "exact": True} if quality is None else {"quality": quality}
    return {"compression": "tiff_adobe_deflate"} if form == "TIFF" else {}
