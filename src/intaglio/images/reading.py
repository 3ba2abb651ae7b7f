"""Reading every picture that people have, whole and upright, with what its file holds beside the samples.

Pillow reads 8 bits and all metadata; libvips (`deep.py`) reads what has more bits. `io.py` is the strict reader of
benchmarks: 8-bit RGB or nothing.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from intaglio._atomic import PathLike
from intaglio._shapes import UInt8
from intaglio.errors import ImageError
from intaglio.images.animation import Animation
from intaglio.images.exif import EXIF_HEADER, TIFF_XMP, tiff_exif
from intaglio.images.files import MAX_PIXELS, bits_per_sample, decoding, quiet, read_bytes, require_size
from intaglio.images.jxl import SIGNATURES, read_jxl_header
from intaglio.images.orientation import exif_upright, xmp_upright
from intaglio.images.picture import Metadata, Picture

READ_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "AVIF")
_MOVING = ("PNG", "WEBP", "GIF", "AVIF")
_PLAIN = {"L", "LA", "RGB", "RGBA"}
_BY_PILLOW = {"YCbCr": "RGB", "HSV": "RGB", "RGBX": "RGB", "RGBa": "RGBA", "La": "LA", "PA": "RGBA"}


def read_picture(path: PathLike, *, max_pixels: int = MAX_PIXELS) -> Picture:
    """Read one picture of any mode and depth; the content decides the format, not the name.

    Palettes and 1 bit are expanded, transparent colours become alpha, CMYK and Lab become sRGB (through the embedded
    profile where there is one; `Picture.notes` says so), the orientation is applied. Other profiles are kept, not
    applied.

    Raises: ImageError when the file is missing, damaged, no picture, larger than `max_pixels`, moving
    (`read_animation`), has several pages, or needs a library that is not installed (each with its remedy).
    """
    found = read_still_or_moving(path, max_pixels=max_pixels)
    if isinstance(found, Animation):
        raise ImageError(f"{path} is an animation; read it with read_animation, or split it into single pictures.")
    return found


def read_animation(path: PathLike, *, max_pixels: int = MAX_PIXELS) -> Animation:
    """Read all frames of a GIF, APNG, animated WebP or AVIF; `max_pixels` bounds the sum over the frames.

    Raises: ImageError as `read_picture`, and for a picture with one frame.
    """
    found = read_still_or_moving(path, max_pixels=max_pixels)
    if isinstance(found, Picture):
        raise ImageError(f"{path} holds a single picture; read it with read_picture.")
    return found


def read_still_or_moving(path: PathLike, *, max_pixels: int = MAX_PIXELS) -> Picture | Animation:
    """A picture, or an animation where the file holds one. Raises: ImageError as `read_picture`."""
    with quiet():
        return decode(read_bytes(path), path, max_pixels=max_pixels)


def decode(data: bytes, path: PathLike, *, max_pixels: int = MAX_PIXELS) -> Picture | Animation:
    """What the bytes of a file hold; `path` is for messages. Decoders may warn: see `quiet`.

    Raises: ImageError as `read_picture`.
    """
    with decoding(path, max_pixels):
        opened = _open(data, path, max_pixels)
        if opened is None:
            return _deep(data, path, Metadata(), max_pixels)
        require_size(path, opened.width, opened.height, max_pixels)
        count = 1 if opened.format == "MPO" else getattr(opened, "n_frames", 1)  # MPO: a phone's JPEG with previews
        if count > 1:
            return _frames(opened, count, path, max_pixels)
        metadata = _metadata(opened)
        if (bits := bits_per_sample(opened, data)) > 8:
            if bits > 16:
                raise ImageError(f"{path} is stored with {bits} bits per sample; convert it to 16 bits first.")
            return _deep(data, path, metadata, max_pixels)
        opened = ImageOps.exif_transpose(opened)
        return _picture(opened, metadata, path, _format(opened, data))


@dataclass(frozen=True)
class Header:
    """What a file's first bytes say: enough to decide how it is read."""

    format: str
    pixels: int
    turned: bool
    interlaced: bool
    metadata: Metadata


def read_header(path: PathLike, *, max_pixels: int = MAX_PIXELS) -> Header | None:
    """The header of a still picture, none of its samples; None where Pillow does not know it, or it has frames.

    Raises: ImageError when it has more than `max_pixels`.
    """
    with quiet(), decoding(path, max_pixels):
        try:
            opened = Image.open(path, formats=READ_FORMATS)
        except (UnidentifiedImageError, OSError):
            return None
        with opened:
            require_size(path, opened.width, opened.height, max_pixels)
            if opened.format != "MPO" and getattr(opened, "n_frames", 1) > 1:
                return None
            turned = opened.getexif().get(0x0112, 1) != 1
            interlaced = bool(opened.info.get("interlace") or opened.info.get("progressive"))
            form = "JPEG" if opened.format == "MPO" else str(opened.format)
            return Header(form, opened.width * opened.height, turned, interlaced, _metadata(opened))


def _open(data: bytes, path: PathLike, max_pixels: int) -> Image.Image | None:
    """The header, by Pillow; None for a TIFF that only libvips knows (16 bits with alpha on gray, …)."""
    formats: tuple[str, ...] = READ_FORMATS
    if data.startswith(SIGNATURES):
        _require_plain_jxl(data, path, max_pixels)
        try:
            import pillow_jxl  # noqa: F401  registers itself
        except ImportError:
            raise ImageError(f"{path} is JPEG XL; to read it, run: pip install 'intaglio[jxl]'") from None
        formats = ("JXL",)
    try:
        return Image.open(io.BytesIO(data), formats=formats)
    except UnidentifiedImageError:
        if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            return None
        raise


def _require_plain_jxl(data: bytes, path: PathLike, max_pixels: int) -> None:
    """The plug-in decodes all when it opens a file, and cuts more than 8 bits to 8: both are found out before."""
    header = read_jxl_header(data)
    if header is None:
        raise ImageError(f"{path} is damaged or truncated (no codestream); fetch it again.")
    require_size(path, header.width, header.height, max_pixels)
    if header.bits != 8:
        bits = "an unknown number of" if header.bits is None else header.bits
        raise ImageError(f"{path} is JPEG XL of {bits} bits per sample, its reader knows 8; convert it to PNG or TIFF.")


def _deep(data: bytes, path: PathLike, metadata: Metadata, max_pixels: int) -> Picture:
    from intaglio.images.deep import decode_deep

    return decode_deep(data, path, metadata, max_pixels)


def _format(opened: Image.Image, data: bytes) -> str:
    return "PNG" if data.startswith(b"\x89PNG") else "JPEG" if data.startswith(b"\xff\xd8") else str(opened.format)


def _frames(opened: Image.Image, count: int, path: PathLike, max_pixels: int) -> Animation:
    if opened.format not in _MOVING:
        raise ImageError(f"{path} has {count} pages; split it into single pictures first.")
    require_size(path, opened.width, opened.height * count, max_pixels)
    form, metadata, first = str(opened.format), _metadata(opened), 1 if opened.info.get("default_image") else 0
    frames, durations = [], []
    for index in range(first, count):
        opened.seek(index)
        opened.load()
        frames.append(_picture(opened.convert("RGBA"), metadata, path, form))
        durations.append(float(opened.info.get("duration", 100.0)))
    if all(frame.opaque for frame in frames):
        frames = [Picture(np.ascontiguousarray(f.colour), 8, form, metadata, f.notes) for f in frames]
    rounds = opened.info.get("loop")
    return Animation(tuple(frames), tuple(durations), None if rounds is None else int(rounds))


def _picture(opened: Image.Image, metadata: Metadata, path: PathLike, form: str) -> Picture:
    samples, note = _samples(opened, metadata, path)
    if note:  # the samples are sRGB now, whatever the profile said
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        metadata = Metadata(profile, metadata.exif, metadata.xmp, metadata.dpi)
    return Picture(samples, 8, form, metadata, (note,) if note else ())


def _samples(opened: Image.Image, metadata: Metadata, path: PathLike) -> tuple[UInt8[np.ndarray, "h w c"], str]:
    """The samples, and what had to be converted, in words."""
    mode, note = opened.mode, ""
    if mode in ("1", "L") and opened.has_transparency_data:
        return np.array(opened.convert("RGBA"))[..., [0, 3]], note
    if mode in ("P", "RGB") and opened.has_transparency_data:
        opened = opened.convert("RGBA")
    elif mode == "1":
        opened = opened.convert("L")
    elif mode == "P":
        opened = opened.convert("RGB")
    elif mode == "CMYK":
        opened, note = _from_cmyk(opened, metadata.icc)
    elif mode == "LAB":
        opened, note = _to_srgb(opened, ImageCms.createProfile("LAB")), "Lab became sRGB"
    elif mode in _BY_PILLOW:
        opened = opened.convert(_BY_PILLOW[mode])
    elif mode not in _PLAIN:
        raise ImageError(f"{path} is of mode {mode}; convert it to gray or RGB of 8 or 16 bits first.")
    samples = np.array(opened)
    return (samples[..., None] if samples.ndim == 2 else samples), note


def _from_cmyk(opened: Image.Image, icc: bytes | None) -> tuple[Image.Image, str]:
    if icc:
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
            return _to_srgb(opened, profile), "CMYK became sRGB through its profile"
        except (OSError, ImageCms.PyCMSError):
            pass  # a damaged profile, or one of another colour space, says as little as none
    return opened.convert("RGB"), "CMYK without a usable profile became RGB by the plain formula; colours may differ"


def _to_srgb(opened: Image.Image, profile: ImageCms.ImageCmsProfile | ImageCms.core.CmsProfile) -> Image.Image:
    converted = ImageCms.profileToProfile(opened, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    assert converted is not None  # nothing is converted in place
    return converted


def _metadata(opened: Image.Image) -> Metadata:
    info = opened.info
    icc, dpi = info.get("icc_profile") or None, info.get("dpi")
    if opened.format == "TIFF":
        exif, xmp = tiff_exif(opened), opened.tag_v2.get(TIFF_XMP)  # type: ignore[attr-defined]
    else:
        exif, xmp = info.get("exif"), info.get("xmp") or info.get("XML:com.adobe.xmp")
    xmp = xmp.encode() if isinstance(xmp, str) else xmp or None
    exif = exif.removeprefix(EXIF_HEADER) if exif else None
    both = (float(dpi[0]), float(dpi[1])) if dpi and min(dpi) > 0 else None
    return Metadata(icc, exif_upright(exif or None), xmp_upright(xmp), both)
