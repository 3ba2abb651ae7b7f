"""Writing a picture or an animation in the format that a file's ending names, with its metadata; whole or not at
all."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

from intaglio._atomic import PathLike, write_bytes_atomic
from intaglio.errors import ImageError
from intaglio.images.animation import Animation
from intaglio.images.exif import EXIF_HEADER, tiff_directory
from intaglio.images.files import FORMAT_OF_SUFFIX, first_line
from intaglio.images.picture import Metadata, Picture, with_bits

LOSSY_QUALITY = 95
"""Quality of JPEG and AVIF unless another is asked for."""

DEEP_FORMATS = {"PNG": (16,), "TIFF": (16,), "AVIF": (10, 12)}
"""Formats that hold more than 8 bits, and the depths that they are written with."""

LOSSY = ("JPEG", "WEBP", "AVIF", "JXL")
MOVING = ("PNG", "WEBP", "GIF", "AVIF")
"""Formats that hold animations."""

_WITHOUT_ALPHA = ("JPEG", "BMP")
_NO_GRAY_ALPHA = ("WEBP", "AVIF", "JXL")


def format_of(path: PathLike) -> str:
    """The format that the ending of `path` names. Raises: ImageError for an unknown ending."""
    form = FORMAT_OF_SUFFIX.get(Path(path).suffix.lower())
    if form is None:
        known = " ".join(FORMAT_OF_SUFFIX)
        raise ImageError(f"Cannot write {path}: its ending names no known format; use one of {known}.")
    return form


def depth_for(form: str, bits: int) -> int:
    """The depth with which `form` keeps `bits` best: the smallest that holds them, else its largest.

    >>> depth_for("PNG", 10), depth_for("AVIF", 16), depth_for("JPEG", 16)
    (16, 12, 8)
    """
    depths = (8, *DEEP_FORMATS.get(form, ()))
    return next((depth for depth in depths if depth >= bits), depths[-1])


def write_picture(path: PathLike, picture: Picture, *, quality: int | None = None, bits: int | None = None) -> None:
    """Write `picture`; its depth is kept where the format can, else rounded to what it can.

    PNG, TIFF (deflate), BMP are lossless; WebP and JPEG XL are unless `quality` is given; JPEG and AVIF take 95 unless
    it is (4:4:4); GIF has 256 colours. `bits` asks for another depth.

    Raises: ImageError for an unknown ending, a quality or depth that the format has not, transparency where it has
    none, or a picture too large for it; OutputError when the disk is full or the folder is missing.
    """
    write_bytes_atomic(path, encode(picture, path, quality=quality, bits=bits))


def encode(picture: Picture, path: PathLike, *, quality: int | None = None, bits: int | None = None) -> bytes:
    """The bytes that `write_picture` writes to `path`. Raises: ImageError as it."""
    form = format_of(path)
    _check_quality(form, quality)
    if bits is not None and bits != 8 and bits not in DEEP_FORMATS.get(form, ()):
        deep = ", ".join(f"{name} ({'/'.join(map(str, depths))})" for name, depths in DEEP_FORMATS.items())
        raise ImageError(f"{form} holds no {bits} bits per sample; formats with more than 8 bits: {deep}.")
    picture = with_bits(_without_idle_alpha(picture, form, path), bits or depth_for(form, picture.bits))
    if picture.bits > 8:
        from intaglio.images.deep import encode_deep

        return encode_deep(picture, form, path, quality or LOSSY_QUALITY)
    options = {**_encoder(form, quality), **_metadata(form, picture.metadata)}
    return _save(form, _to_pillow(picture, form), options)


def write_animation(path: PathLike, animation: Animation, *, quality: int | None = None) -> None:
    """Write an animation as GIF, APNG, WebP or AVIF: the same times and rounds.

    Frames that repeat the one before them are stored once, for the sum of their times.
    Raises: ImageError and OutputError as `write_picture`, and for a format of single pictures.
    """
    write_bytes_atomic(path, encode_animation(animation, path, quality=quality))


def encode_animation(animation: Animation, path: PathLike, *, quality: int | None = None) -> bytes:
    """The bytes that `write_animation` writes to `path`. Raises: ImageError as it."""
    form = format_of(path)
    _check_quality(form, quality)
    if form not in MOVING:
        raise ImageError(f"{form} holds no animation, and {path} would be one; write .gif, .png, .webp or .avif.")
    options: dict[str, Any] = {**_encoder(form, quality), **_metadata(form, animation.frames[0].metadata)}
    first, *rest = (_to_pillow(with_bits(frame, 8), form) for frame in animation.frames)
    times = [round(time) for time in animation.durations] if form != "PNG" else list(animation.durations)
    options |= {"save_all": True, "append_images": rest, "duration": times}
    if animation.rounds is not None:
        options["loop"] = animation.rounds
    if form == "GIF":
        options["disposal"] = 2 if animation.frames[0].has_alpha else 1
    return _save(form, first, options)


def _save(form: str, image: Image.Image, options: dict[str, Any]) -> bytes:
    if form == "JXL":
        _require_jxl()
    buffer = io.BytesIO()
    try:
        image.save(buffer, form, **options)
    except (OSError, ValueError, OverflowError) as error:
        what = f"{image.width} x {image.height} pixels or their metadata ({first_line(error)})"
        raise ImageError(f"{form} cannot hold {what}; write .png.") from error
    return buffer.getvalue()


def _require_jxl() -> None:
    try:
        import pillow_jxl  # noqa: F401  registers itself
    except ImportError:
        raise ImageError("To write JPEG XL, run: pip install 'intaglio[jxl]'") from None


def _check_quality(form: str, quality: int | None) -> None:
    if quality is not None and (form not in LOSSY or not 1 <= quality <= 100):
        raise ImageError(f"quality {quality} asked for {form}; it is 1 to 100, for {', '.join(LOSSY)} only.")


def _without_idle_alpha(picture: Picture, form: str, path: PathLike) -> Picture:
    if form not in _WITHOUT_ALPHA or not picture.has_alpha:
        return picture
    if not picture.opaque:
        raise ImageError(f"{form} holds no transparency, and {path} would have some; write .png, or discard alpha.")
    return Picture(picture.colour, picture.bits, picture.format, picture.metadata, picture.notes)


def _to_pillow(picture: Picture, form: str) -> Image.Image:
    samples = np.ascontiguousarray(picture.samples)
    image = Image.fromarray(samples[..., 0] if samples.shape[2] == 1 else samples)
    return image.convert("RGBA") if image.mode == "LA" and form in _NO_GRAY_ALPHA else image


def _encoder(form: str, quality: int | None) -> dict[str, Any]:
    if form == "JPEG":
        return {"quality": quality or LOSSY_QUALITY, "subsampling": 0}
    if form == "WEBP":
        return {"lossless": True, "exact": True} if quality is None else {"quality": quality}
    if form == "AVIF":
        return {"quality": quality or LOSSY_QUALITY, "subsampling": "4:4:4"}
    if form == "JXL":
        return {"lossless": True} if quality is None else {"quality": quality}
    return {"compression": "tiff_adobe_deflate"} if form == "TIFF" else {}


def _metadata(form: str, metadata: Metadata) -> dict[str, Any]:
    """How Pillow is told; what a format has no place for stays behind (dpi in WebP, all of it in GIF)."""
    told: dict[str, Any] = {}
    if metadata.dpi and form in ("PNG", "JPEG", "TIFF", "BMP"):
        told["dpi"] = metadata.dpi
    if form in ("BMP", "GIF"):
        return told
    if metadata.icc:
        told["icc_profile"] = metadata.icc
    if form == "TIFF":
        return {**told, "tiffinfo": tiff_directory(metadata.exif, metadata.xmp)}
    if metadata.exif:
        told["exif"] = EXIF_HEADER + metadata.exif
    if metadata.xmp and form == "PNG":
        told["pnginfo"] = PngImagePlugin.PngInfo()
        told["pnginfo"].add_itxt("XML:com.adobe.xmp", metadata.xmp.decode("utf-8", "replace"))
    elif metadata.xmp:
        told["xmp"] = metadata.xmp
    return told
