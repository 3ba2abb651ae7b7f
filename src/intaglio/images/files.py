"""Picture files before their samples: formats and endings, the bytes of a file, and errors of decoders in one line.

What the bytes mean is `io.py` (8-bit RGB alone) and `reading.py` (every picture).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from intaglio._atomic import PathLike
from intaglio.errors import ImageError

MAX_PIXELS = 8192 * 8192
"""Largest picture read unless asked otherwise, in pixels: 192 MiB decoded. Checked against the header, before
anything is decoded."""

FORMAT_OF_SUFFIX = {
    ".png": "PNG",
    ".apng": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jfif": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
    ".gif": "GIF",
    ".avif": "AVIF",
    ".jxl": "JXL",
}
"""The format that an ending stands for, when a picture is written."""

FILM_SUFFIXES = (".mkv", ".mp4", ".mov", ".m4v", ".webm", ".avi")
"""Endings of films that are read and written."""

_TIFF_BITS_PER_SAMPLE = 258
_PNG_BIT_DEPTH_OFFSET = 24  # signature, chunk length, "IHDR", width, height come before it


def read_bytes(path: PathLike) -> bytes:
    """All bytes of a picture's file. Raises: ImageError when it is missing, a folder or closed to us."""
    try:
        if Path(path).exists() and not Path(path).is_file():
            raise ImageError(f"{path} is a folder or a device; name a picture.")
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise ImageError(f"There is no picture at {path}; check the path.") from None
    except OSError as error:
        raise ImageError(f"Cannot read {path}: {error.strerror}; check its permissions.") from error


@contextmanager
def quiet() -> Iterator[None]:
    """Silence what decoders warn of (harmless metadata), but for bombs; once around threads, never in each of them.

    Filters of warnings belong to the process: two threads that set and restore them leave the wrong ones behind.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


@contextmanager
def decoding(path: PathLike, max_pixels: int) -> Iterator[None]:
    """Turn whatever a decoder raises about the file of `path` into an ImageError with its remedy.

    A `max_pixels` above Pillow's own limit raises that one, which belongs to the process.
    Raises: ImageError when the file holds no picture, is damaged or truncated, or is larger than `max_pixels`.
    """
    if Image.MAX_IMAGE_PIXELS is not None and max_pixels > Image.MAX_IMAGE_PIXELS:
        Image.MAX_IMAGE_PIXELS = max_pixels
    try:
        yield
    except ImageError:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise too_large(path, "it", max_pixels) from None
    except UnidentifiedImageError:
        raise ImageError(
            f"{path} is no PNG, JPEG, WebP, TIFF, BMP, GIF or AVIF picture, or is damaged; convert it."
        ) from None
    except Exception as error:  # damaged files raise whatever their decoder meets first
        raise ImageError(f"{path} is damaged or truncated ({first_line(error)}); fetch it again.") from error


def require_size(path: PathLike, width: int, height: int, max_pixels: int) -> None:
    """Raises: ImageError when a picture has more pixels than `max_pixels`."""
    if width * height > max_pixels:
        raise too_large(path, f"{width} x {height} pixels", max_pixels)


def bits_per_sample(picture: Image.Image, data: bytes) -> int:
    """Bits of one sample in the file `data` that Pillow opened as `picture`.

    Pillow decodes 16-bit colour to 8 bits without a word, so its mode says nothing; the file's own header does.
    """
    if picture.format == "PNG":
        return data[_PNG_BIT_DEPTH_OFFSET]
    if picture.format == "TIFF":
        bits = picture.tag_v2.get(_TIFF_BITS_PER_SAMPLE, 1)  # type: ignore[attr-defined]
        return max(bits) if isinstance(bits, tuple) else int(bits)
    if picture.format == "AVIF" and (box := data.find(b"av1C")) >= 0 and len(data) > box + 6:
        return 12 if data[box + 6] & 0x20 else 10 if data[box + 6] & 0x40 else 8  # twelve_bit, high_bitdepth
    return 8


def too_large(path: PathLike, what: str, max_pixels: int) -> ImageError:
    """The error for a picture that has too many pixels."""
    limit = f"the limit of {max_pixels / 1e6:g} megapixels"
    return ImageError(f"{path}: {what} exceeds {limit}; if you trust the file, raise it (--max-pixels).")


def first_line(error: Exception) -> str:
    """The first line of an error of another library, or its type where it says nothing."""
    return (str(error).splitlines() or [type(error).__name__])[0]
